"""The edits of one or more runs of a suite as one table, and what is not there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retouch.errors import BadParameter
from retouch.evaluate.results import about_measures, library, results, set_measures
from retouch.evaluate.run import BadRun, Run
from retouch.evaluate.suites.suite import Entry

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
        methods: in the order of the runs.
        entries: of every case that was begun, by id.
        edits: an edit a row, as :func:`retouch.evaluate.results.results` with ``label`` and ``run`` more; of several
            seeds only the best where one was asked for.
        failures: the same of edits that failed.
        about: what the measures are, by name; as :func:`retouch.evaluate.results.about_measures`.
        measures: those that at least one edit has.
        sets: measures of all edits of a method together, by label and name.
        made, wanted: how many edits are done, failed ones included, and how many the runs are of.
        unmeasured: how many edits have no value of any measure.
        not_begun: cases of the suite that no run has begun.
        lacking: labels of the methods whose edits of a case are not all done, by case.
        best_of: the measure by which seeds were chosen; "" for none.
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
        """The models' names, a run each."""
        return [run.manifest.model["name"] for run in self.runs]


def gather(runs: Sequence[Run], *, measures: Sequence[str] = (), best_of_seeds: str = "") -> Gathered:
    """Reads the runs.

    Args:
        measures: these alone, in this order; none for all there are.
        best_of_seeds: a measure; of a case's edits by a method only the one with its best value counts.

    Raises:
        BadRun: when the runs are of different suites, one is named twice, or no edit is finished.
        BadParameter: for a measure that no edit has.
        MissingExtra: without pandas.
    """
    pandas = library("pandas")
    _check_one_suite(runs)
    methods = _labelled(runs)
    labels = {(method.run, method.name): method.label for method in methods}
    frames = []
    for number, run in enumerate(runs):
        frame = results(run)
        names = frame["method"].map(lambda name, number=number: labels.get((number, name)))
        frames.append(frame.assign(label=names, run=number)[names.notna()])
    whole = pandas.concat(frames, ignore_index=True)
    about = {name: known for run in reversed(runs) for name, known in about_measures(run).items()}
    failed = whole["error"] != ""
    edits, failures = whole[~failed], whole[failed]
    _check_some(runs, edits, failures)

    there = [name for name in about if name in whole.columns]
    unmeasured = int(edits[there].isna().all(axis=1).sum())
    sets = {} if best_of_seeds else _sets(runs, labels)  # they are of all seeds, so not of those chosen
    in_sets = list(dict.fromkeys(name for values in sets.values() for name in values))
    for name in (*measures, *filter(None, [best_of_seeds])):
        if name not in (*there, *(in_sets if name != best_of_seeds else ())):
            known = ", ".join(dict.fromkeys([*there, *in_sets])) or "none"
            raise BadParameter(f"there is no measure {name!r} here; the measures are: {known}.")
    if best_of_seeds:
        edits = _best(edits, best_of_seeds, about[best_of_seeds].get("better") != "lower")
    if measures:
        chosen = dict.fromkeys(measures)
        there = [name for name in chosen if name in there]
        sets = {label: {name: row[name] for name in chosen if name in row} for label, row in sets.items()}

    entries = {entry.id: entry for run in reversed(runs) for entry in run.cases()}
    entries = {name: entries[name] for name in sorted(entries)}
    of_suite = max(_cases_of(runs[0].manifest.suite), len(entries))
    per_case = [len(run.manifest.seeds_of(label)) for run in runs for label in run.manifest.methods]
    return Gathered(
        runs, methods, entries, edits.reset_index(drop=True), failures.reset_index(drop=True), about, there, sets,
        len(whole), of_suite * sum(per_case), unmeasured, of_suite - len(entries),
        _lacking(runs, methods, entries, whole), best_of_seeds,
    )  # fmt: skip


def _check_one_suite(runs: Sequence[Run]) -> None:
    twice = [path for path, count in Counter(run.folder.resolve() for run in runs).items() if count > 1]
    if twice:
        raise BadRun(f"the run {str(twice[0])!r} is named twice: name each once.")
    first, *others = runs
    for run in others:
        if json.dumps(run.manifest.suite, sort_keys=True) != json.dumps(first.manifest.suite, sort_keys=True):
            raise BadRun(
                f"the runs {str(first.folder)!r} and {str(run.folder)!r} are of different edits: report each by itself."
            )


def _check_some(runs: Sequence[Run], edits: pandas.DataFrame, failures: pandas.DataFrame) -> None:
    if len(edits):
        return
    names = " and ".join(repr(str(run.folder)) for run in runs)
    if len(failures):
        raise BadRun(f"all {len(failures)} edits of {names} failed, the first because: {failures['error'].iloc[0]}")
    raise BadRun(f"no edit of {names} is finished: let `retouch bench` make some first.")


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


def _best(edits: pandas.DataFrame, measure: str, higher: bool) -> pandas.DataFrame:
    """Of every case and method the seed with the best value; the first one where none has a value."""
    rank = edits[measure].astype(float).fillna(float("-inf") if higher else float("inf"))
    order = edits.assign(_rank=rank).sort_values(["_rank", "seed"], ascending=[not higher, True], kind="stable")
    return edits.loc[order.drop_duplicates(["case", "label"]).index.sort_values()]


def _lacking(
    runs: Sequence[Run], methods: Sequence[Method], entries: Mapping[str, Entry], whole: pandas.DataFrame
) -> dict[str, list[str]]:
    done = Counter(zip(whole["case"], whole["label"], strict=True))
    wanted = {method.label: len(runs[method.run].manifest.seeds_of(method.name)) for method in methods}
    found = {case: [label for label, count in wanted.items() if done[case, label] < count] for case in entries}
    return {case: labels for case, labels in found.items() if labels}


def _cases_of(suite: Mapping[str, Any]) -> int:
    """How many edits a suite's identity speaks of; 0 where it does not say."""
    if isinstance(suite.get("edits"), Mapping | Sequence):
        return len(suite["edits"])
    if isinstance(suite.get("kinds"), Sequence) and isinstance(suite.get("count"), int):
        return len(suite["kinds"]) * int(suite["count"])
    return 0
