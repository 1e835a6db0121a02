"""The report's tables: a row for each method, with all edits together and by kind of edit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from retouch.quantity import ideal, rank, shown
from retouch.report.gathered import COSTS, Gathered
from retouch.report.statistics import Estimates, Floats, estimates

if TYPE_CHECKING:
    import pandas

_COST_COLUMNS = {
    "seconds": ("time", "s"),
    "evaluations": ("evaluations", ""),
    "memory_mib": ("median peak memory", "MiB"),
}
_COUNTED = ("evaluations", "memory_mib")  # hardly chance: that of the draws is not what makes two methods differ
_DIGITS = 4
_SHORT_UNIT = 3  # letters


@dataclass(frozen=True)
class Column:
    """A quantity that methods are compared by.

    Attributes:
        role: "measure"; "set", a measure of all edits together; or "cost".
        better: "higher", "lower", "zero" or "one" where the nearest to 0 or 1 is, or "" where nothing says.
        decimals: that its values are shown with.
        model: what took it, a name and a fingerprint; "" where nothing says.
        help: what it is, in a line.
        tells: "kept", "changed" or "", see :class:`retouch.quantity.Quantity`.
    """

    name: str
    title: str
    unit: str
    better: str
    role: str
    decimals: int = 0
    model: str = ""
    help: str = ""
    tells: str = ""

    @property
    def percent(self) -> bool:
        """Whether its values are fractions that are shown as per cent."""
        return self.unit == "%"

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def short_unit(self) -> str:
        """The unit where it is a sign or two."""
        return self.unit if len(self.unit) <= _SHORT_UNIT else ""

    @property
    def short_heading(self) -> str:
        """The title and the short unit."""
        return self.heading if self.short_unit else self.title

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return {"higher": "↑", "lower": "↓", "zero": "→ 0", "one": "→ 1"}.get(self.better, "")

    @property
    def ideal(self) -> float | None:
        """What its values should be near, where that is a number."""
        return ideal(self.better)

    def rank(self, value: float) -> float:
        """A number that is higher for better values."""
        return float(rank(value, self.better))

    def shown(self, value: float, *, with_unit: bool = False) -> str:
        """A value as text, see :func:`retouch.quantity.shown`: a dash where there is none, a word for 100 dB.

        Args:
            with_unit: whether the unit stands behind it, where it is short.
        """
        return shown(value, self.unit, self.decimals, with_unit=with_unit and bool(self.short_unit))

    def number(self, value: float) -> str:
        """As :meth:`shown`, always a number: an interval's end."""
        return shown(value, "%" if self.percent else "", self.decimals)


@dataclass(frozen=True)
class Cell:
    """A method's mean.

    Attributes:
        low, high: the ends of its 95 % interval; NaN where it has none.
        count: how many values it is of.
        mark: "best"; "close" where its difference to the best one's may be chance; "" otherwise.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    count: int = 0
    mark: str = ""

    @property
    def half_width(self) -> float:
        """Of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Row:
    """A method's results; ``cells`` by the columns' names."""

    label: str
    edits: int
    failures: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Leaderboard:
    """Methods against quantities."""

    columns: Sequence[Column]
    rows: Sequence[Row]

    def column(self, name: str) -> Column:
        """One of the columns, by name."""
        return next(column for column in self.columns if column.name == name)

    def best(self, name: str) -> list[Row]:
        """The methods with the best value of a column."""
        return [row for row in self.rows if row.cells[name].mark == "best"]


def leaderboard(gathered: Gathered) -> Leaderboard:
    """All methods, all edits."""
    labels = [method.label for method in gathered.methods]
    columns = _columns(gathered)
    rated = [column for column in columns if column.role != "set"]
    found = _estimates(gathered.edits, [column.name for column in rated], labels)
    cells: dict[str, list[Cell]] = {}
    for i, column in enumerate(rated):
        own = [_cell(found, g, i) for g in range(len(labels))]
        cells[column.name] = _medians(gathered, labels, own) if column.name == "memory_mib" else own
        marks = _marks([cell.mean for cell in cells[column.name]], column, found, i)
        cells[column.name] = [replace(cell, mark=mark) for cell, mark in zip(cells[column.name], marks, strict=True)]
    for column in columns:
        if column.role == "set":
            values = [float(gathered.sets.get(label, {}).get(column.name, math.nan)) for label in labels]
            marks = _marks(values, column)
            cells[column.name] = [Cell(value, mark=mark) for value, mark in zip(values, marks, strict=True)]
    columns = [_with_decimals(column, [cell.mean for cell in cells[column.name]]) for column in columns]
    edits, failures = (frame["label"].value_counts().to_dict() for frame in (gathered.edits, gathered.failures))
    return Leaderboard(
        columns,
        [
            Row(
                label, int(edits.get(label, 0)), int(failures.get(label, 0)),
                {column.name: cells[column.name][g] for column in columns},
            )
            for g, label in enumerate(labels)
        ],
    )  # fmt: skip


def breakdown(gathered: Gathered, columns: Sequence[Column]) -> dict[str, dict[str, list[Cell]]]:
    """Means by kind of edit.

    Returns:
        by kind, then by column: a cell for each method. Columns of role "set" have none.
    """
    labels = [method.label for method in gathered.methods]
    rated = [column for column in columns if column.role != "set" and column.name != "memory_mib"]
    found: dict[str, dict[str, list[Cell]]] = {}
    for kind in gathered.kinds:
        edits = gathered.edits[gathered.edits["kind"] == kind]
        of_kind = _estimates(edits, [column.name for column in rated], labels)
        found[kind] = {}
        for i, column in enumerate(rated):
            marks = _marks(list(of_kind.mean[:, i]), column, of_kind, i)
            found[kind][column.name] = [replace(_cell(of_kind, g, i), mark=mark) for g, mark in enumerate(marks)]
    return found


def frame_of(board: Leaderboard) -> pandas.DataFrame:
    """The leaderboard as a table of plain numbers, a method a row.

    Returns:
        columns ``method``, ``edits``, ``failures``; each column's mean under its name, and for measures also
        ``NAME.low``, ``NAME.high`` and ``NAME.count``.
    """
    from retouch.runs.results import library

    rows = []
    for row in board.rows:
        line: dict[str, object] = {"method": row.label, "edits": row.edits, "failures": row.failures}
        for column in board.columns:
            cell = row.cells[column.name]
            line[column.name] = cell.mean
            if column.role == "measure":
                line |= {f"{column.name}.{part}": getattr(cell, part) for part in ("low", "high", "count")}
        rows.append(line)
    frame: pandas.DataFrame = library("pandas").DataFrame(rows)
    return frame


def _columns(gathered: Gathered) -> list[Column]:
    """Measures, measures of sets, costs; costs that nobody took are left out."""
    columns = [_column(gathered, name, "measure") for name in gathered.measures]
    in_sets = dict.fromkeys(name for values in gathered.sets.values() for name in values)
    columns += [_column(gathered, name, "set") for name in in_sets if name not in gathered.measures]
    titles = [column.title for column in columns]
    columns = [
        replace(column, title=f"{column.title} ({column.name})") if titles.count(column.title) > 1 else column
        for column in columns
    ]
    taken = [name for name in COSTS if gathered.edits[name].notna().any()]
    return columns + [Column(name, *_COST_COLUMNS[name], "lower", "cost") for name in taken]


def _column(gathered: Gathered, name: str, role: str) -> Column:
    known = gathered.about.get(name, {})
    return Column(
        name, known.get("title") or name, known.get("unit", ""), known.get("better", ""), role,
        model=known.get("model", ""), help=known.get("help", ""), tells=known.get("tells", ""),
    )  # fmt: skip


def _with_decimals(column: Column, values: Sequence[float]) -> Column:
    """Four digits of the largest value; whole evaluations and mebibytes."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if column.percent:
        decimals = 1
    elif column.name in ("evaluations", "memory_mib") or not sizes:
        decimals = 0
    else:
        decimals = min(6, max(0, _DIGITS - 1 - math.floor(math.log10(max(sizes)))))
    return replace(column, decimals=min(decimals, 2) if column.role == "cost" else decimals)


def _estimates(edits: pandas.DataFrame, names: Sequence[str], labels: Sequence[str]) -> Estimates:
    rank = {label: number for number, label in enumerate(labels)}
    values: Floats = edits[list(names)].to_numpy(float, na_value=np.nan)
    groups = edits["label"].map(rank).to_numpy(np.int64)
    _, cases = np.unique(edits["case"].to_numpy(str), return_inverse=True)
    return estimates(values, cases.astype(np.int64), groups, len(labels))


def _cell(found: Estimates, group: int, quantity: int) -> Cell:
    mean, low, high = (float(part[group, quantity]) for part in (found.mean, found.low, found.high))
    return Cell(mean, low, high, int(found.count[group, quantity]))


def _medians(gathered: Gathered, labels: Sequence[str], cells: Sequence[Cell]) -> list[Cell]:
    """Memory counts by its median: the most is that of the edit in which the process warmed up."""
    own = gathered.edits["memory_mib"].astype(float).groupby(gathered.edits["label"]).median().to_dict()
    return [Cell(float(own.get(label, math.nan)), count=cell.count) for label, cell in zip(labels, cells, strict=True)]


def _marks(values: Sequence[float], column: Column, found: Estimates | None = None, quantity: int = 0) -> list[str]:
    """Which values are the best, and which others cannot be told apart from them; none where nothing is compared.

    Without estimates, as of a set's one figure, nothing can.
    """
    ranks = [column.rank(value) for value in values]
    there = [rank for rank in ranks if math.isfinite(rank)]
    if not column.better or len(there) < 2 or math.isclose(min(there), max(there)):
        return [""] * len(values)
    top = ranks.index(max(there))
    pairs = len(there) * (len(there) - 1) // 2  # all of them: which one is the best is not known before

    def mark(group: int) -> str:
        if math.isclose(ranks[group], ranks[top]):
            return "best"
        if column.name in _COUNTED or not math.isfinite(ranks[group]):
            return ""
        apart = found and found.told_apart(group, top, quantity, ideal=column.ideal, comparisons=pairs)
        return "" if apart else "close"

    return [mark(group) for group in range(len(values))]
