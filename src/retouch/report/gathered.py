"""The edits of one or more runs of a suite as one table, and what is not there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING, Any

from retouch.errors import BadParameter
from retouch.measures.registry import every
from retouch.quantity import rank
from retouch.report.checks import check_measures, check_one_model, check_one_suite, check_some
from retouch.runs.results import about_measures, library, results, set_measures
from retouch.runs.run import Run
from retouch.suites.registry import suites
from retouch.suites.suite import Entry

if TYPE_CHECKING:
    import pandas

COSTS = ("seconds", "evaluations", "memory_mib")


@dataclass(frozen=True)
class Method:
    """A method of a run.

    Attributes:
        label: names it in the report; with the run's name where several runs have it.
        name: its label in its run.
        run: which of the runs, from 0.
    """

    label: str
    name: str
    run: int


@dataclass(frozen=True)
class Gathered:
    """All edits of the runs.

    Attributes:
        methods: the best by the main measure first.
        entries: of every case that was begun, by id.
        edits: an edit a row, as :func:`retouch.runs.results.results` with ``label`` and ``run`` more; of several
            seeds only the best where one was asked for.
        failures: the same of edits that failed.
        about: what the measures are, by name; as :func:`retouch.runs.results.about_measures`.
        measures: those that at least one edit has.
        sets: measures of all edits of a method together, by label and name.
        made, wanted: how many edits are done, failed ones included, and how many the runs are of.
        unmeasured: how many edits have no value of any measure.
        not_begun: cases that a run is of and none has begun.
        lacking: labels of the methods whose edits of a case are not all done, by case.
        best_of: the measure by which seeds were chosen; "" for none.
        main: the measure that methods are ranked by, best first in ``methods``; "" for none, in the order of the runs.
    """

    runs: Sequence[Run]
    methods: Sequence[Method]
    entries: Mapping[str, Entry]
    edits: pandas.DataFrame
    failures: pandas.DataFrame
    about: Mapping[str, Mapping[str, str]]
    measures: Sequence[str]
    sets: Mapping[str, Mapping[str, float]]
    made: int
    wanted: int
    unmeasured: int
    not_begun: int
    lacking: Mapping[str, Sequence[str]]
    best_of: str = ""
    main: str = ""

    @property
    def kinds(self) -> list[str]:
        """The kinds of edit, in the order of the cases."""
        return list(dict.fromkeys(entry.kind for entry in self.entries.values()))

    @property
    def seeds(self) -> list[int]:
        """Those of all runs, each once."""
        return sorted({seed for run in self.runs for seed in run.manifest.seeds})

    @property
    def models(self) -> list[str]:
        """The models' names, a run each; "" for a run of outputs that others made, alone."""
        return [
            run.manifest.model["name"] if any(method["method"] for method in run.manifest.methods.values()) else ""
            for run in self.runs
        ]


def gather(
    runs: Sequence[Run], *, measures: Sequence[str] = (), best_of_seeds: str = "", by: str = ""
) -> Gathered:  # fmt: skip
    """Reads the runs.

    Args:
        runs: of one suite.
        measures: these alone, in this order; none for all there are, the main one first.
        by: the measure that methods are ranked by; "" for what the suite says, else the first.
        best_of_seeds: a measure; of a case's edits by a method only the one with its best value counts.

    Raises:
        BadRun: when the runs are of different suites, one is named twice, no edit is finished, or a measure was taken
            by different models.
        BadParameter: for no run, or a measure that no edit has.
        MissingExtra: without pandas.
    """
    if not runs:
        raise BadParameter("there is nothing to report: name at least one run.")
    check_one_suite(runs)
    methods = _labelled(runs)
    labels = {(method.run, method.name): method.label for method in methods}
    whole = _all_edits(runs, labels)
    abouts = [about_measures(run) for run in runs]
    about = _joined(abouts)
    failed = whole["error"] != ""
    edits, failures = whole[~failed], whole[failed]
    check_some(runs, edits, failures)

    there, sets = [name for name in about if name in whole.columns], _sets(runs, labels)
    check_measures([*measures, *filter(None, [by])], best_of_seeds, there, sets)
    if best_of_seeds:
        edits = _best(edits, best_of_seeds, about[best_of_seeds].get("better", ""))
        sets = {}  # they are of all seeds, so not of those chosen
    unmeasured = int(edits[there].isna().all(axis=1).sum())
    if measures:
        chosen = dict.fromkeys(measures)
        there = [name for name in dict.fromkeys([*filter(None, [by]), *chosen]) if name in there]
        sets = {label: {name: row[name] for name in chosen if name in row} for label, row in sets.items()}
    main = by or _main(runs[0], there, about)
    there = there if measures or main not in there else [main, *(name for name in there if name != main)]
    reported = [*there, *filter(None, [best_of_seeds]), *(name for row in sets.values() for name in row)]
    check_one_model(runs, abouts, dict.fromkeys(reported))
    begun = [run.cases() for run in runs]
    entries = {entry.id: entry for own in reversed(begun) for entry in own}
    entries = {name: entries[name] for name in sorted(entries)}
    sizes = [max(_cases_of(run.manifest.suite), len(own)) for run, own in zip(runs, begun, strict=True)]
    per_case = [sum(len(run.manifest.seeds_of(label)) for label in run.manifest.methods) for run in runs]
    return Gathered(
        runs, _ranked(methods, edits, sets, main, about), entries, edits.reset_index(drop=True),
        failures.reset_index(drop=True), about, there, sets,
        len(whole), sum(map(mul, sizes, per_case)), unmeasured, max(*sizes, len(entries)) - len(entries),
        _lacking(runs, methods, entries, whole), best_of_seeds, main,
    )  # fmt: skip


def _main(run: Run, there: Sequence[str], about: Mapping[str, Mapping[str, str]]) -> str:
    """What the suite says of those measures that are there; else the first that is better or worse at all."""
    suite = suites().get(str(run.manifest.suite.get("suite")))
    rated = [name for name in there if about[name].get("better")]
    return next((name for name in (suite.main if suite else ()) if name in there), next(iter(rated), ""))


def _ranked(
    methods: Sequence[Method], edits: pandas.DataFrame, sets: Mapping[str, Mapping[str, float]], main: str,
    about: Mapping[str, Mapping[str, str]],
) -> list[Method]:  # fmt: skip
    """The best by the main measure first, those without a value last; of equals the cheaper, as the runs have them."""
    if not main:
        return list(methods)
    costs = edits["seconds"].astype(float).groupby(edits["label"]).mean().to_dict()
    means: dict[str, float] = {label: row[main] for label, row in sets.items() if main in row}
    if main in edits.columns:
        means = edits[main].astype(float).groupby(edits["label"]).mean().to_dict()
    better = about.get(main, {}).get("better", "")

    def place(method: Method) -> tuple[bool, float, float]:
        value, cost = means.get(method.label, math.nan), costs.get(method.label, math.nan)
        worse = 0.0 if math.isnan(value) else -float(rank(value, better))
        return math.isnan(value), round(worse, 9), math.inf if math.isnan(cost) else cost

    return sorted(methods, key=place)


def _all_edits(runs: Sequence[Run], labels: Mapping[tuple[int, str], str]) -> pandas.DataFrame:
    """All edits of all runs, with ``label`` and ``run``."""
    frames = []
    for number, run in enumerate(runs):
        frame = results(run)
        names = frame["method"].map(lambda name, number=number: labels.get((number, name)))
        frames.append(frame.assign(label=names, run=number)[names.notna()])
    whole: pandas.DataFrame = library("pandas").concat(frames, ignore_index=True)
    return whole


def _joined(abouts: Sequence[Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    """What the measures are, as the first run that has each says; the model as the first that names one.

    What a run does not say, since it was made before there was such a thing to say, is as the measure is declared now.
    """
    declared = {name: one.about() for name, one in every().items()}
    found: dict[str, dict[str, str]] = {}
    for about in abouts:
        for name, known in about.items():
            kept = found.setdefault(name, {**declared.get(name, {}), **known})
            kept["model"] = kept.get("model") or known.get("model", "")
    return found


def _labelled(runs: Sequence[Run]) -> list[Method]:
    """The methods of all runs; a label that several have is told apart by the run's folder."""
    count = Counter(name for run in runs for name in run.manifest.methods)
    folders = [run.folder.resolve() for run in runs]
    alike = len({folder.name for folder in folders}) < len(folders)
    shown = [str(folder) if alike else folder.name for folder in folders]
    return [
        Method(f"{name} ({shown[number]})" if count[name] > 1 else name, name, number)
        for number, run in enumerate(runs)
        for name in run.manifest.methods
    ]


def _sets(runs: Sequence[Run], labels: Mapping[tuple[int, str], str]) -> dict[str, dict[str, float]]:
    found = {}
    for number, run in enumerate(runs):
        for name, values in set_measures(run).items():
            if (number, name) in labels:
                found[labels[number, name]] = {key: value for key, value in values.items() if value is not None}
    return found


def _best(edits: pandas.DataFrame, measure: str, better: str) -> pandas.DataFrame:
    """Of every case and method the seed with the best value; the first one where none has a value.

    It costs what all of them do, which were made to choose from.
    """
    costs = edits.groupby(["case", "label"])[["seconds", "evaluations"]].transform("sum", min_count=1)
    edits = edits.assign(**{name: costs[name] for name in costs})
    values = edits[measure].astype(float)
    order = edits.assign(_rank=rank(values, better).fillna(float("-inf")))
    order = order.sort_values(["_rank", "seed"], ascending=[False, True], kind="stable")
    return edits.loc[order.drop_duplicates(["case", "label"]).index.sort_values()]


def _lacking(
    runs: Sequence[Run], methods: Sequence[Method], entries: Mapping[str, Entry], whole: pandas.DataFrame
) -> dict[str, list[str]]:
    done = Counter(zip(whole["case"], whole["label"], strict=True))
    wanted = [(method, len(runs[method.run].manifest.seeds_of(method.name))) for method in methods]
    found = {
        name: [
            method.label
            for method, count in wanted
            if done[name, method.label] < count and _holds(runs[method.run].manifest.suite, entry)
        ]
        for name, entry in entries.items()
    }
    return {name: labels for name, labels in found.items() if labels}


def _holds(suite: Mapping[str, Any], entry: Entry) -> bool:
    """Whether a suite that has a count of scenes, from a first one, holds an entry that another run has begun."""
    if not all(isinstance(number, int) for number in (suite.get("start"), suite.get("count"), entry.about.get("seed"))):
        return True
    return bool(entry.about["seed"] < suite["start"] + suite["count"])


def _cases_of(suite: Mapping[str, Any]) -> int:
    """How many edits a suite's identity speaks of; 0 where it does not say."""
    if isinstance(suite.get("edits"), int):
        return int(suite["edits"])
    if isinstance(suite.get("kinds"), Sequence) and isinstance(suite.get("count"), int):
        return len(suite["kinds"]) * int(suite["count"])
    return 0
