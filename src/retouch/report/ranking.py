"""The order of methods by the main measure: who leads, who cannot be told apart, and who is worth its cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from retouch.report.columns import Column
from retouch.report.tables import Leaderboard, Row

_PRICES = ("seconds", "evaluations")


@dataclass(frozen=True)
class Ranking:
    """Methods by the main measure.

    Attributes:
        column: the main measure.
        groups: the rows from the best on; those of a group cannot be told apart from its first. A method without a
            value is in none.
        price: what an edit costs; None where nobody took that.
        front: the rows that no other one beats in both, better or as good and cheaper or as cheap, the cheapest first;
            none where the methods have not made the same edits.
    """

    column: Column
    groups: Sequence[Sequence[Row]]
    price: Column | None
    front: Sequence[Row]

    def group_of(self, row: Row) -> int:
        """From 1; 0 for none."""
        return next((number for number, group in enumerate(self.groups, 1) if row in group), 0)


def ranking(board: Leaderboard, *, same_edits: bool = True) -> Ranking | None:
    """The order of a leaderboard's rows by its main measure; None where it has none, or one row.

    Args:
        same_edits: whether the methods have all made the same edits.
    """
    if not board.main or len(board.rows) < 2:
        return None
    column = board.column(board.main)
    there = [row for row in board.rows if math.isfinite(row.cells[column.name].mean)]
    there.sort(key=lambda row: -column.rank(row.cells[column.name].mean))
    price = next((one for one in board.columns if one.name in _PRICES), None)
    first = front(there, column, price) if price and same_edits else []
    return Ranking(column, _groups(board, there), price, first)


def _groups(board: Leaderboard, rows: Sequence[Row]) -> list[list[Row]]:
    groups: list[list[Row]] = []
    for row in rows:
        if groups and not board.told_apart(groups[-1][0].label, row.label):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def front(rows: Sequence[Row], quality: Column, price: Column) -> list[Row]:
    """The Pareto front: rows that no other is at least as good and as cheap as, and better in one of the two."""

    def at(row: Row) -> tuple[float, float]:
        return quality.rank(row.cells[quality.name].mean), price.rank(row.cells[price.name].mean)

    def beaten(row: Row) -> bool:
        mine = at(row)
        return any(theirs != mine and theirs[0] >= mine[0] and theirs[1] >= mine[1] for theirs in map(at, there))

    there = [row for row in rows if all(map(math.isfinite, at(row)))]
    return sorted((row for row in there if not beaten(row)), key=lambda row: -at(row)[1])
