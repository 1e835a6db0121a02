"""A run's records and measures as one table, an edit a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retouch.errors import RetouchError
from retouch.runs.files import read_json, read_lines, undamaged
from retouch.runs.run import Run

if TYPE_CHECKING:
    import pandas


def results(run: Run) -> pandas.DataFrame:
    """All finished edits of a run.

    Args:
        run: finished, or on its way.

    Returns:
        columns ``case``, ``kind``, ``source``, ``target``, ``method``, ``seed``, ``seconds``, ``evaluations``,
        ``memory_mib``, ``error`` ("" for none), and one for every measure (NaN where it is undefined or was not
        taken), in the order of the run's cases, methods and seeds.

    Raises:
        MissingExtra: without pandas.
    """
    table = library("pandas")
    prompts = {entry.id: (entry.source, entry.target) for entry in run.cases()}
    measured = {(row["case"], row["method"], row["seed"]): row["values"] for row in measured_lines(run)}
    names = [name for name in about_measures(run) if any(name in values for values in measured.values())]
    rows = []
    for record in run.finished().values():
        source, target = prompts.get(record.case, (None, ""))
        values = measured.get(record.key, {})
        known = {name: float("nan") if values.get(name) is None else values[name] for name in names}
        rows.append({**vars(record), "source": source, "target": target, **known})
    columns = ["case", "kind", "source", "target", "method", "seed", "seconds", "evaluations", "memory_mib", "error"]
    return table.DataFrame(rows, columns=[*columns, *names])


def measured_lines(run: Run) -> list[dict[str, Any]]:
    """The lines of ``measures/*.jsonl``, one for each measured edit; of several for one edit, their values joined."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for path in sorted(run.folder.glob("measures/*.jsonl")):
        for row in read_lines(path):
            with undamaged(path):
                kept = found.setdefault((row["case"], row["method"], row["seed"]), {**row, "values": {}})
                kept["values"] |= row["values"]
    return list(found.values())


def about_measures(run: Run) -> dict[str, dict[str, str]]:
    """What the measures of a run are: by name, ``title``, ``unit``, ``better`` and ``model``, what looked, or ""."""
    return _read(run.folder / "measures" / "about.json")


def set_measures(run: Run) -> dict[str, dict[str, float]]:
    """Measures of all edits of a method together, such as Fréchet distances: by method, then by name.

    Those that were taken of fewer edits or cases than there are now are left out, see :func:`outdated_sets`.
    """
    fresh = _fresh(run, _edits_of(run))
    return {
        label: {name: one["value"] for name, one in row.items() if fresh(label, one)}
        for label, row in stored_sets(run).items()
    }


def outdated_sets(run: Run) -> list[str]:
    """The measures of sets that were taken before edits were added."""
    rows = stored_sets(run)
    if not rows:
        return []
    edits = _edits_of(run)
    fresh = _fresh(run, edits)
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return [name for name in names if not all(fresh(label, rows.get(label, {}).get(name)) for label in edits)]


def stored_sets(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """As :func:`set_measures`, each a ``value`` and the numbers of ``edits`` and ``cases`` that it is of."""
    rows = _read(run.folder / "measures" / "sets.json")
    return {
        label: {
            name: one for name, one in row.items() if isinstance(one, dict) and {"value", "edits", "cases"} <= {*one}
        }
        for label, row in rows.items()
    }


def _edits_of(run: Run) -> Counter[str]:
    return Counter(record.method for record in run.finished().values() if not record.error)


def _fresh(run: Run, edits: Counter[str]) -> Callable[[str, Mapping[str, Any] | None], bool]:
    """Whether a stored value of a method is of all that there is."""
    cases = len(run.cases())
    return lambda label, one: one is not None and (one["edits"], one["cases"]) == (edits[label], cases)


class MissingExtra(RetouchError):
    """A library that an optional part needs is not installed."""


def library(name: str, extra: str = "bench") -> Any:
    """An optional library, which pip installs with the package's extra of that name.

    Raises:
        MissingExtra: when it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(
            f"{name.partition('.')[0]} is not installed: get it with pip install 'retouch[{extra}]'."
        ) from None


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
