"""The report as one HTML page that needs nothing else: no server, no network, no second file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from retouch.report.columns import Column
from retouch.report.data import axes_of, finite, interval, script_data
from retouch.report.facts import facts, looked, settings, title, warnings
from retouch.report.gathered import Gathered
from retouch.report.ranking import ranking
from retouch.report.statistics import RESAMPLES
from retouch.report.tables import Cell, Leaderboard, Row, leaderboard
from retouch.report.verdict import notes, verdict
from retouch.runs.results import library

_FOLDER = Path(__file__).parent / "html"
_SCRIPTS = ("common.js", "tables.js", "plane.js", "gallery.js")
_SHOWN = 5
"""Measures that the table shows at first; the others are folded away, with all costs but these:"""
_PRICES = ("seconds", "evaluations")


def page(gathered: Gathered, most_cases: int = 60) -> str:
    """The whole page.

    Args:
        gathered: what :func:`retouch.report.gathered.gather` read.
        most_cases: how many cases the gallery holds at most; they make up most of the page's size.

    Raises:
        MissingExtra: without jinja2 or plotly.
        BadRun, BadPicture: when a case of the gallery is damaged.
    """
    jinja, offline = library("jinja2"), library("plotly.offline")
    environment = jinja.Environment(
        loader=jinja.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=False, undefined=jinja.StrictUndefined
    )
    board = leaderboard(gathered)
    ranked, shown_first = ranking(board, same_edits=not gathered.lacking), _shown_first(board)
    board = replace(board, columns=sorted(board.columns, key=lambda column: column.name not in shown_first))
    data = script_data(gathered, board, most_cases, ranked)
    folded = {column.name for column in board.columns} - set(shown_first)
    rows = [_row(gathered, board, row, look, folded) for row, look in zip(board.rows, data["methods"], strict=True)]
    for row, place in zip(rows, [ranked.group_of(row) if ranked else 0 for row in board.rows], strict=True):
        row["group"] = place
    shown = len(data["gallery"])

    return str(
        environment.get_template("page.html").render(
            title=title(gathered),
            facts=facts(gathered),
            warnings=warnings(gathered),
            verdict=verdict(gathered, board, ranked, data["methods"], shown_first),
            main=board.column(board.main).title if board.main else "",
            grouped=ranked is not None and len(ranked.groups) > 1,
            folded=folded,
            columns=board.columns,
            rows=rows,
            intervals=any(cell["interval"] for row in rows for cell in row["cells"]),
            marked=any(cell["mark"] for row in rows for cell in row["cells"]),
            close=any(cell["mark"] == "close" for row in rows for cell in row["cells"]),
            resamples=f"{RESAMPLES:,}",
            notes=notes(gathered, board),
            gallery_note=f"{shown} of {len(gathered.entries)} cases. Click an edit to lay it over the input.",
            failures=gathered.failures.to_dict("records"),
            lacking=gathered.lacking,
            looked=looked(board.columns),
            settings=settings(gathered),
            data=data,
            style=_inlined(_text("page.css")),
            script=_inlined("\n".join(map(_text, _SCRIPTS))),
            plotly=_inlined(offline.get_plotlyjs()) if data["points"] else "",
        )
    )


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _inlined(text: str) -> Any:
    return library("markupsafe").Markup(text.replace("</script", "<\\/script"))


def _shown_first(board: Leaderboard) -> list[str]:
    """The columns that the table begins with: the main measure, those of the plane, the next ones, and prices."""
    axes = axes_of(board) or {}
    rated = [column.name for column in board.columns if column.role != "cost"]
    first = dict.fromkeys(name for name in (board.main, axes.get("y"), axes.get("x"), *rated) if name in rated)
    prices = [column.name for column in board.columns if column.name in _PRICES]
    return [*list(first)[:_SHOWN], *prices]


def _row(
    gathered: Gathered, board: Leaderboard, row: Row, look: Mapping[str, Any], folded: Collection[str]
) -> dict[str, Any]:  # fmt: skip
    method = next(method for method in gathered.methods if method.label == row.label)
    cells = []
    for column in board.columns:
        cell = row.cells[column.name]
        rated = column.role == "measure"
        cells.append(
            {
                "name": column.name, "folded": column.name in folded, "value": finite(cell.mean),
                "shown": column.shown(cell.mean), "mark": cell.mark,
                "interval": interval(column, cell) if rated else "",
                "strip": _strip(column, cell, [one.cells[column.name] for one in board.rows]) if rated else None,
                "count": cell.count if rated and cell.count != row.edits else 0,
                "identical": cell.identical if cell.mixed else 0,
            }
        )  # fmt: skip
    ours = gathered.runs[method.run].manifest.methods[method.name]["method"]
    model = gathered.models[method.run] if ours and len(set(gathered.models) - {""}) > 1 else ""
    return {
        "label": row.label, "colour": look["colour"], "model": model, "cells": cells, "edits": row.edits,
        "failures": row.failures, "front": look["front"],
    }  # fmt: skip


def _strip(column: Column, cell: Cell, cells: Sequence[Cell]) -> list[float] | None:
    """Where the interval begins and ends and where the mean is, per cent of the column's width.

    None where there is nothing to compare: a cell without an interval, or a column whose values all read the same,
    though the last digits of a mean may differ.
    """
    ends = [end for one in cells for end in (one.low, one.high) if math.isfinite(end)]
    if math.isnan(cell.low) or len(cells) < 2 or column.number(max(ends)) == column.number(min(ends)):
        return None
    scale = 100 / (max(ends) - min(ends))
    return [round((value - min(ends)) * scale, 1) for value in (cell.low, cell.high, cell.mean)]
