"""What a report refuses before it is drawn: runs that share nothing, and measures that are not there or not one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from retouch.errors import BadParameter
from retouch.runs.files import BadRun
from retouch.runs.run import Run

if TYPE_CHECKING:
    import pandas


def check_measures(
    measures: Sequence[str], best_of: str, there: Sequence[str], sets: Mapping[str, Mapping[str, float]]
) -> None:
    """Refuses what no edit has, and what says nothing of a choice among seeds.

    Raises:
        BadParameter: naming the measures that there are.
    """
    of_sets = dict.fromkeys(name for row in sets.values() for name in row)
    for name in (*measures, *filter(None, [best_of])):
        if name in there or (name in of_sets and not best_of):
            continue
        if name in of_sets:
            raise BadParameter(
                f"{name} is a measure of all edits together, and is left out when --best-of-seeds chooses among "
                "them: leave one of the two out."
            )
        known = ", ".join(dict.fromkeys([*there, *(() if best_of else of_sets)])) or "none"
        raise BadParameter(f"there is no measure {name!r} here; the measures are: {known}.")


def check_one_suite(runs: Sequence[Run]) -> None:
    """Refuses runs of different edits, and one that is named twice.

    Raises:
        BadRun: naming them.
    """
    twice = [path for path, count in Counter(run.folder.resolve() for run in runs).items() if count > 1]
    if twice:
        raise BadRun(f"the run {str(twice[0])!r} is named twice: name each once.")
    first, *others = runs
    for run in others:
        if _edits_of(run.manifest.suite) != _edits_of(first.manifest.suite):
            raise BadRun(
                f"the runs {str(first.folder)!r} and {str(run.folder)!r} are of different edits: report each by itself."
            )


def _edits_of(suite: Mapping[str, Any]) -> str:
    """A suite's identity but for how the methods were helped, and for how many of its scenes."""
    return json.dumps({key: suite[key] for key in suite if key not in ("masks", "settings", "count")}, sort_keys=True)


def check_one_model(
    runs: Sequence[Run], abouts: Sequence[Mapping[str, Mapping[str, str]]], measures: Iterable[str]
) -> None:
    """Refuses figures of one measure that different networks gave.

    Raises:
        BadRun: naming the networks.
    """
    for name in measures:
        models: dict[str, tuple[str, str]] = {}
        for run, about in zip(runs, abouts, strict=True):
            if model := about.get(name, {}).get("model"):
                models.setdefault(model.rpartition(" ")[2], (model, str(run.folder)))  # whatever it is called
        if len(models) > 1:
            (one, first), (other, second), *_ = models.values()
            raise BadRun(
                f"{name} was taken by {one} in {first!r} and by {other} in {second!r}, which cannot be compared: "
                "measure both with the same --clip and --dino, or name other measures with --measures."
            )


def check_some(runs: Sequence[Run], edits: pandas.DataFrame, failures: pandas.DataFrame) -> None:
    """Refuses runs of which no edit can be shown.

    Raises:
        BadRun: saying why.
    """
    if len(edits):
        return
    names = " and ".join(repr(str(run.folder)) for run in runs)
    if len(failures):
        raise BadRun(f"all {len(failures)} edits of {names} failed, the first because: {failures['error'].iloc[0]}")
    raise BadRun(f"no edit of {names} is finished: let `retouch bench` make some first.")
