"""The report's tables: a row for each method, with all edits together and by kind of edit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from retouch.quantity import DECIBELS, IDENTICAL
from retouch.report.columns import Column, columns_of, with_decimals
from retouch.report.facts import chosen, warnings
from retouch.report.gathered import Gathered
from retouch.report.statistics import Estimates, Floats, estimates

if TYPE_CHECKING:
    import pandas

_COUNTED = ("evaluations", "memory_mib")  # hardly chance: that of the draws is not what makes two methods differ


@dataclass(frozen=True)
class Cell:
    """A method's mean.

    Attributes:
        low, high: the ends of its 95 % interval; NaN where it has none.
        count: how many values it is of.
        identical: how many of them are the 100 dB of pictures that do not differ.
        mark: "best"; "close" where its difference to the best one's may be chance; "" otherwise.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    count: int = 0
    mark: str = ""
    identical: int = 0

    @property
    def mixed(self) -> bool:
        """Whether some of its values are of identical pictures and others are not: a mean to be read with care."""
        return 0 < self.identical < self.count

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
    """Methods against quantities.

    Attributes:
        rows: the best by the main measure first.
        main: that measure's name; "" for none.
        apart: pairs of labels that it tells apart.
        remarks: sentences that whoever reads its figures must know: which seeds count, what is not complete.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    main: str = ""
    apart: frozenset[frozenset[str]] = frozenset()
    remarks: Sequence[str] = ()

    def told_apart(self, one: str, other: str) -> bool:
        """Whether the main measure tells two methods apart beyond chance."""
        return frozenset((one, other)) in self.apart

    def column(self, name: str) -> Column:
        """One of the columns, by name."""
        return next(column for column in self.columns if column.name == name)

    def best(self, name: str) -> list[Row]:
        """The methods with the best value of a column."""
        return [row for row in self.rows if row.cells[name].mark == "best"]


def leaderboard(gathered: Gathered) -> Leaderboard:
    """All methods, all edits.

    Args:
        gathered: what :func:`retouch.report.gathered.gather` read.
    """
    labels = [method.label for method in gathered.methods]
    columns = columns_of(gathered)
    rated = [column for column in columns if column.role != "set"]
    found = _estimates(gathered.edits, [column.name for column in rated], labels)
    cells: dict[str, list[Cell]] = {}
    for i, column in enumerate(rated):
        own = [_cell(found, g, i) for g in range(len(labels))]
        own = _with_identical(gathered, labels, column, own)
        cells[column.name] = _medians(gathered, labels, own) if column.name == "memory_mib" else own
        marks = _marks([cell.mean for cell in cells[column.name]], column, found, i)
        cells[column.name] = [replace(cell, mark=mark) for cell, mark in zip(cells[column.name], marks, strict=True)]
    for column in columns:
        if column.role == "set":
            values = [float(gathered.sets.get(label, {}).get(column.name, math.nan)) for label in labels]
            marks = _marks(values, column)
            cells[column.name] = [Cell(value, mark=mark) for value, mark in zip(values, marks, strict=True)]
    columns = [with_decimals(column, [cell.mean for cell in cells[column.name]]) for column in columns]
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
        gathered.main, _apart(found, rated, labels, gathered.main), (*chosen(gathered), *warnings(gathered)),
    )  # fmt: skip


def _apart(
    found: Estimates, columns: Sequence[Column], labels: Sequence[str], main: str
) -> frozenset[frozenset[str]]:  # fmt: skip
    """The pairs of methods that the main measure tells apart."""
    place = next((i for i, column in enumerate(columns) if column.name == main), None)
    if place is None:
        return frozenset()
    pairs = list(combinations(range(len(labels)), 2))
    ideal = columns[place].ideal
    return frozenset(
        frozenset((labels[one], labels[other]))
        for one, other in pairs
        if found.told_apart(one, other, place, ideal=ideal, comparisons=len(pairs))
    )


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


def _estimates(edits: pandas.DataFrame, names: Sequence[str], labels: Sequence[str]) -> Estimates:
    rank = {label: number for number, label in enumerate(labels)}
    values: Floats = edits[list(names)].to_numpy(float, na_value=np.nan)
    groups = edits["label"].map(rank).to_numpy(np.int64)
    _, cases = np.unique(edits["case"].to_numpy(str), return_inverse=True)
    return estimates(values, cases.astype(np.int64), groups, len(labels))


def _cell(found: Estimates, group: int, quantity: int) -> Cell:
    mean, low, high = (float(part[group, quantity]) for part in (found.mean, found.low, found.high))
    return Cell(mean, low, high, int(found.count[group, quantity]))


def _with_identical(
    gathered: Gathered, labels: Sequence[str], column: Column, cells: Sequence[Cell]
) -> list[Cell]:  # fmt: skip
    if column.unit != DECIBELS:
        return list(cells)
    values = gathered.edits[column.name].astype(float)
    own = (values >= IDENTICAL).groupby(gathered.edits["label"]).sum().to_dict()
    return [replace(cell, identical=int(own.get(label, 0))) for label, cell in zip(labels, cells, strict=True)]


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
