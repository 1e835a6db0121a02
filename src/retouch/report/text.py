"""The leaderboard as CSV, LaTeX or Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from retouch.errors import BadParameter
from retouch.report.tables import Cell, Column, Leaderboard, frame_of

FORMATS = ("csv", "latex", "markdown")

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$", "–": "--", "é": r"\'e",
}  # fmt: skip


def as_text(board: Leaderboard, form: str) -> str:
    """The table in one of :data:`FORMATS`.

    CSV has plain numbers and the ends of the intervals; LaTeX (with the package booktabs) and Markdown have means ±
    half the interval's width, the best ones bold.

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


def _latex(board: Leaderboard) -> str:
    lines = [
        r"\begin{tabular}{l" + "r" * len(board.columns) + "}",
        r"\toprule",
        " & ".join(map(_escaped_latex, _headings(board))) + r" \\",
        r"\midrule",
    ]
    for row in board.rows:
        cells = [_escaped_latex(row.label)]
        for column in board.columns:
            cell = row.cells[column.name]
            text = _escaped_latex(_cell(column, cell))
            cells.append(rf"\textbf{{{text}}}" if cell.mark == "best" else text)
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _markdown(board: Leaderboard) -> str:
    lines = [_bars(map(_escaped_markdown, _headings(board))), _bars(["---", *["---:"] * len(board.columns)])]
    for row in board.rows:
        cells = [_escaped_markdown(row.label)]
        for column in board.columns:
            cell = row.cells[column.name]
            cells.append(f"**{_cell(column, cell)}**" if cell.mark == "best" else _cell(column, cell))
        lines.append(_bars(cells))
    return "\n".join([*lines, ""])


def _headings(board: Leaderboard) -> list[str]:
    return ["method", *(f"{column.heading} {column.arrow}".strip() for column in board.columns)]


def _cell(column: Column, cell: Cell) -> str:
    text = column.shown(cell.mean)
    if column.role != "measure" or math.isnan(cell.half_width) or text != column.number(cell.mean):
        return text  # of what is a word, nothing is more or less
    return f"{text} ± {column.number(cell.half_width)}"


def _bars(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escaped_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _escaped_markdown(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", " ".join(text.split()))
