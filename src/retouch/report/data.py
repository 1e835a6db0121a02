"""What the report page's script reads: numbers for places, and every text ready made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from retouch.report.columns import Column
from retouch.report.gallery import gallery
from retouch.report.gathered import Gathered
from retouch.report.ranking import Ranking
from retouch.report.tables import Cell, Leaderboard, breakdown

_COLOURS = (
    "#0084fc", "#e8001f", "#54b400", "#f000f0", "#0c6c6c", "#9c6000", "#a800cc", "#f08400", "#9c9ccc", "#84609c",
    "#f06ca8", "#c0006c", "#008400", "#00a89c", "#603cfc", "#b46cfc",
)  # fmt: skip
"""For the methods: as far apart from each other as sixteen can be (in OKLab) that are seen on white and on black."""

_SYMBOLS = (
    "circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon", "x", "triangle-down", "pentagon",
    "hourglass", "bowtie", "star-diamond", "hexagram", "star-triangle-up", "diamond-tall",
)  # fmt: skip


def script_data(
    gathered: Gathered, board: Leaderboard, most_cases: int, ranked: Ranking | None = None
) -> dict[str, Any]:  # fmt: skip
    """What the page's script reads: numbers for places, and every text ready made."""
    on_front = {row.label for row in ranked.front} if ranked else set[str]()
    by_kind = breakdown(gathered, board.columns)
    counts = {kind: sum(entry.kind == kind for entry in gathered.entries.values()) for kind in by_kind}
    axes = axes_of(board)
    seeds = {one.label: list(gathered.runs[one.run].manifest.seeds_of(one.name)) for one in gathered.methods}
    whole = {column.name: [row.cells[column.name] for row in board.rows] for column in board.columns}
    parts = [("all kinds", len(gathered.entries), whole)]  # by place: a kind may have any name
    parts += [(kind, counts[kind], cells) for kind, cells in by_kind.items()]
    shown = [column for column in board.columns if column.name in next(iter(by_kind.values()))]
    kinds = [
        {
            "name": name, "cases": count,
            "cells": {column.name: [_cell(column, cell) for cell in cells[column.name]] for column in shown},
        }
        for name, count, cells in parts
    ]  # fmt: skip
    return {
        "methods": [
            {
                "label": row.label, "colour": _COLOURS[i % len(_COLOURS)], "symbol": _SYMBOLS[i % len(_SYMBOLS)],
                "seeds": seeds[row.label], "front": row.label in on_front,
            }
            for i, row in enumerate(board.rows)
        ],
        "columns": [
            {
                "name": column.name, "heading": column.heading, "arrow": column.arrow, "better": column.better,
                "tells": column.tells,
            }
            for column in board.columns
        ],
        "points": axes and {
            column.name: [_point(column, row.cells[column.name]) for row in board.rows] for column in board.columns
        },
        "axes": axes,
        "front": [ranked.price.name, ranked.column.name] if ranked and ranked.price else [],
        "kinds": kinds if len(counts) > 1 and shown else [],
        "gallery": gallery(gathered, board.columns, most_cases) if most_cases else [],
        "seeds": gathered.seeds,
        "bestOf": gathered.best_of,
    }  # fmt: skip


def axes_of(board: Leaderboard) -> dict[str, str] | None:
    """What the plane begins with; None where there is nothing to set against anything."""
    there = [
        column for column in board.columns if any(math.isfinite(row.cells[column.name].mean) for row in board.rows)
    ]
    measures = [column for column in there if column.role != "cost"]
    if not measures or len(there) < 2:
        return None
    kept = _telling("kept", measures)
    up = _telling("changed", measures) or next((one for one in measures if one is not kept), measures[0])
    across = _telling("kept", [one for one in measures if one is not up])
    return {"x": (across or next(one for one in [*measures, *there] if one is not up)).name, "y": up.name}


def _telling(what: str, columns: Sequence[Column]) -> Column | None:
    """The first that tells this, of a part of the pictures if there is one: that says more than the whole."""
    found = [column for column in columns if column.tells == what]
    return min(found, key=lambda column: not column.name.endswith((".inside", ".outside")), default=None)


def interval(column: Column, cell: Cell, between: str = " – ") -> str:
    """The ends of a cell's interval as text; "" where it has none."""
    return "" if math.isnan(cell.low) else f"{column.number(cell.low)}{between}{column.number(cell.high)}"


def _cell(column: Column, cell: Cell) -> list[Any]:
    """Value, text, interval and mark."""
    return [finite(cell.mean), column.shown(cell.mean), interval(column, cell), cell.mark]


def _point(column: Column, cell: Cell) -> list[Any]:
    """Value and interval's ends as they are drawn, then as text."""
    scale = 100 if column.percent else 1
    ends = [finite(value * scale) for value in (cell.mean, cell.low, cell.high)]
    return [*ends, column.shown(cell.mean), interval(column, cell, " to ")]


def finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
