"""The leaderboard as CSV, LaTeX or Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from retouch.errors import BadParameter
from retouch.quantity import DECIBELS
from retouch.report.columns import Column
from retouch.report.tables import Cell, Leaderboard, Row
from retouch.runs.results import library

if TYPE_CHECKING:
    import pandas

FORMATS = ("csv", "latex", "markdown")

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$", "–": "--", "é": r"\'e",
}  # fmt: skip


def as_text(board: Leaderboard, form: str) -> str:
    """The table in one of :data:`FORMATS`.

    CSV has plain numbers and the ends of the intervals; LaTeX (with the package booktabs) and Markdown have means ±
    half the interval's width, bold where one is better than every other beyond chance, and say so.

    Args:
        board: see :func:`retouch.report.tables.leaderboard`.
        form: one of :data:`FORMATS`.

    Raises:
        BadParameter: for another format.
        MissingExtra: without pandas.
    """
    if form == "csv":
        return frame_of(board).to_csv(index=False, lineterminator="\n")
    if form == "latex":
        return _latex(board)
    if form == "markdown":
        return _markdown(board)
    raise BadParameter(f"there is no format {form!r}; the formats are: html, {', '.join(FORMATS)}.")


def frame_of(board: Leaderboard) -> pandas.DataFrame:
    """The leaderboard as a table of plain numbers, a method a row.

    Returns:
        columns ``method``, ``edits``, ``failures``; each column's mean under its name, and for measures also
        ``NAME.low``, ``NAME.high`` and ``NAME.count``, and of PSNR ``NAME.identical``.
    """
    rows = []
    for row in board.rows:
        line: dict[str, object] = {"method": row.label, "edits": row.edits, "failures": row.failures}
        for column in board.columns:
            cell = row.cells[column.name]
            line[column.name] = cell.mean
            if column.role == "measure":
                line |= {f"{column.name}.{part}": getattr(cell, part) for part in ("low", "high", "count")}
            if column.unit == DECIBELS:
                line[f"{column.name}.identical"] = cell.identical
        rows.append(line)
    frame: pandas.DataFrame = library("pandas").DataFrame(rows)
    return frame


def _latex(board: Leaderboard) -> str:
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escaped_latex(_caption(board))}}}",
        r"\centering",
        r"\begin{tabular}{l" + "r" * (len(_headings(board)) - 1) + "}",
        r"\toprule",
        " & ".join(map(_escaped_latex, _headings(board))) + r" \\",
        r"\midrule",
    ]
    for row in board.rows:
        cells = [_escaped_latex(row.label), *_count(board, row)]
        for column in board.columns:
            cell = row.cells[column.name]
            text = _escaped_latex(_cell(column, cell))
            cells.append(rf"\textbf{{{text}}}" if _apart(board, column, cell) else text)
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _markdown(board: Leaderboard) -> str:
    lines = [_bars(map(_escaped_markdown, _headings(board))), _bars(["---", *["---:"] * (len(_headings(board)) - 1)])]
    for row in board.rows:
        cells = [_escaped_markdown(row.label), *_count(board, row)]
        for column in board.columns:
            cell = row.cells[column.name]
            cells.append(f"**{_cell(column, cell)}**" if _apart(board, column, cell) else _cell(column, cell))
        lines.append(_bars(cells))
    caption = _caption(board)
    return "\n".join([*lines, *(["", caption] if caption else []), ""])


def _apart(board: Leaderboard, column: Column, cell: Cell) -> bool:
    """Whether a value is the best and every other is equal or told apart from it; of a mere count none is."""
    if column.role != "measure" and column.name != "seconds":
        return False
    return cell.mark == "best" and not any(row.cells[column.name].mark == "close" for row in board.rows)


def _caption(board: Leaderboard) -> str:
    """What is to be known to read the table."""
    cells = [(column, row.cells[column.name]) for column in board.columns for row in board.rows]
    said = [*board.remarks]
    if any("±" in _cell(column, cell) for column, cell in cells):
        said.append("Means ± half the width of their 95 % bootstrap intervals over cases.")
    if any(_apart(board, column, cell) for column, cell in cells):
        said.append("Bold: the best; what is not equal is worse beyond chance (5 %, all pairs).")
    if any(cell.mixed for _, cell in cells):
        said.append("Edits that are identical to their inputs count as 100 dB in a mean.")
    if board.main and len(board.rows) > 1:
        said.append(f"Sorted by {board.column(board.main).title}.")
    return " ".join(said)


def _headings(board: Leaderboard) -> list[str]:
    counts = ["edits"] if _differ(board) else []
    return ["method", *counts, *(f"{column.heading} {column.arrow}".strip() for column in board.columns)]


def _count(board: Leaderboard, row: Row) -> list[str]:
    """How many edits a row is of, where not all are of as many."""
    return [str(row.edits)] if _differ(board) else []


def _differ(board: Leaderboard) -> bool:
    return len({row.edits for row in board.rows}) > 1


def _cell(column: Column, cell: Cell) -> str:
    text = column.shown(cell.mean)
    if column.role != "measure" or math.isnan(cell.half_width) or text != column.number(cell.mean):
        return text  # of what is a word, nothing is more or less
    identical = f" ({cell.identical} identical)" if cell.mixed else ""
    return f"{text} ± {column.number(cell.half_width)}{identical}"


def _bars(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escaped_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _escaped_markdown(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", " ".join(text.split()))
