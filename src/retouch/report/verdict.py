"""What a report says first: which method is best, at what cost, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retouch.report.columns import Column
from retouch.report.facts import chosen
from retouch.report.gathered import Gathered
from retouch.report.ranking import Ranking
from retouch.report.statistics import FEWEST
from retouch.report.tables import Leaderboard, Row

_FEW_CASES = 10  # percentile intervals of fewer hold the truth clearly less often than they say
_OTHERS = 6  # measures beside the main one that are spoken of
_NAMED = 5  # methods that are named where several are as good

Look = Mapping[str, str]


def verdict(
    gathered: Gathered, board: Leaderboard, ranked: Ranking | None, looks: Sequence[Look], said_of: Sequence[str]
) -> list[Any]:  # fmt: skip
    """Sentences: who leads by the main measure, who is worth its cost, and who leads by other measures.

    Args:
        looks: of each row its colour.
        said_of: the names of the columns that are spoken of.

    Returns:
        of each ``about``, what it is of; ``methods``, a list of ``label``, ``colour`` and ``figures``; and ``words``.
    """
    colours = {row.label: look["colour"] for row, look in zip(board.rows, looks, strict=True)}
    if ranked is None or not ranked.groups:
        return []
    leaders, price = ranked.groups[0], ranked.price
    costs = [price] if price else []
    about = f"{_leads(ranked.column)} {'so far ' if gathered.lacking else ''}by {ranked.column.title}"
    cases = gathered.edits["case"].nunique()
    words = f"not told apart by {cases} case{'' if cases == 1 else 's'}, which is no proof that they are equal"
    found = [_said(about, leaders, [ranked.column, *costs], colours, words if len(leaders) > 1 else "")]
    if price and ranked.front:
        found.append(
            _said("worth its cost", ranked.front, [ranked.column, price], colours, "none is better and as cheap")
        )
    others = [board.column(name) for name in said_of if name != ranked.column.name]
    for column in [one for one in others if one.role != "cost"][:_OTHERS]:
        best = board.best(column.name)
        close = [row for row in board.rows if row.cells[column.name].mark == "close"]
        if best:
            words = f"and {len(close)} that cannot be told apart from it" if close else ""
            found.append(_said(f"{_leads(column)} by {column.title}", best, [column], colours, words))
    return found


def _leads(column: Column) -> str:
    return "keeps most" if column.tells == "kept" else "best"


def _said(
    about: str, rows: Sequence[Row], columns: Sequence[Column], colours: Mapping[str, str], words: str
) -> dict[str, Any]:
    def figures(row: Row) -> str:
        return ", ".join(column.spoken(row.cells[column.name].mean) for column in columns)

    named = rows if len(rows) <= _NAMED + 1 else rows[:_NAMED]
    methods = [{"label": row.label, "colour": colours[row.label], "figures": figures(row)} for row in named]
    words = f"and {len(rows) - len(named)} more {words}" if len(named) < len(rows) else words
    return {"about": about, "methods": methods, "words": words}


def notes(gathered: Gathered, board: Leaderboard) -> list[str]:
    """How far the figures can be trusted, a sentence each."""
    said = []
    said += chosen(gathered)
    measures = [column for column in board.columns if column.role != "cost"]
    if measures and all(column.tells == "kept" for column in measures):
        said.append("All that is measured here is how much was kept: a copy of the input would lead.")
    if any(cell.mixed for row in board.rows for cell in row.cells.values()):
        said.append("Where some edits are identical to their inputs, each counts as 100 dB in a mean.")
    cases = gathered.edits["case"].nunique()
    if 1 < cases < _FEW_CASES:
        too_few = f", and of fewer than {FEWEST} no method is told apart" if cases < FEWEST else ""
        said.append(f"Of {cases} cases the intervals come out too narrow{too_few}: take more before you decide.")
    elif cases == 1 and len(board.rows) > 1:
        said.append(f"Of one case no method is told apart: take at least {FEWEST}.")
    if any(column.name == "memory_mib" for column in board.columns):
        said.append("Time and evaluations are means; peak memory is the median of the edits' peaks.")
    return said
