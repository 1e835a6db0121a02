"""What a report says first: which method is best at what, at what cost, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retouch.report.gathered import Gathered
from retouch.report.statistics import FEWEST
from retouch.report.tables import Cell, Column, Leaderboard

_MOST_SAID = 4
_FEW_CASES = 10  # percentile intervals of fewer hold the truth clearly less often than they say
_PRICE = ("seconds", "evaluations")


def verdict(board: Leaderboard, looks: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """For each method that is the best at something: at what, and what an edit costs.

    What sets a method apart surely comes first; the rest carries the sign of what may be chance.
    """
    if len(board.rows) < 2:
        return []
    rivals = {
        column.name: [row.cells[column.name].mark for row in board.rows]
        for column in board.columns
        if column.role != "cost"
    }
    found = []
    for row, look in zip(board.rows, looks, strict=True):
        best = [name for name in rivals if row.cells[name].mark == "best"]
        best.sort(key=lambda name: "close" in rivals[name])
        words = [
            f"{board.column(name).title} ({_with_unit(board.column(name), row.cells[name])})"
            + (" ≈" if "close" in rivals[name] else "")
            for name in best[:_MOST_SAID]
        ]
        if len(best) > _MOST_SAID:
            words.append(f"and {len(best) - _MOST_SAID} more")
        fastest = "seconds" in row.cells and row.cells["seconds"].mark == "best"
        if words or fastest:
            price = " and ".join(
                _with_unit(board.column(name), row.cells[name]) for name in _PRICE if name in row.cells
            )
            chance = " ≈" if fastest and any(other.cells["seconds"].mark == "close" for other in board.rows) else ""
            said = [*([f"the fastest{chance}"] if fastest else []), *(["best in " + ", ".join(words)] if words else [])]
            found.append(
                {"label": row.label, "colour": look["colour"], "words": f"{price} an edit: {'; '.join(said)}."}
            )
    return found


def _with_unit(column: Column, cell: Cell) -> str:
    if column.name == "evaluations":
        return f"{column.shown(cell.mean)} evaluations"
    return column.shown(cell.mean, with_unit=True)


def notes(gathered: Gathered, board: Leaderboard) -> list[str]:
    """How far the figures can be trusted, a sentence each."""
    said = []
    if gathered.best_of:
        said.append(
            f"Of the seeds of a case only the one that is best by {gathered.best_of} counts. Costs are of one edit: "
            "choosing among several costs them all."
        )
    cases = gathered.edits["case"].nunique()
    if 1 < cases < _FEW_CASES:
        too_few = f", and of fewer than {FEWEST} no method is told apart" if cases < FEWEST else ""
        said.append(f"Of {cases} cases the intervals come out too narrow{too_few}: take more before you decide.")
    elif cases == 1 and len(board.rows) > 1:
        said.append(f"Of one case no method is told apart: take at least {FEWEST}.")
    if any(column.name == "memory_mib" for column in board.columns):
        said.append("Time and evaluations are means; peak memory is the median of the edits' peaks.")
    return said
