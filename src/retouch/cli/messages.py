"""What commands say: results on stdout, notes and a progress bar on stderr, nothing that moves a terminal's cursor."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from textwrap import wrap
from typing import Any

import typer

from retouch.errors import printable

_GAP = 2  # spaces between the columns of a table


def note(sentence: str) -> None:
    """A sentence for the user, on stderr."""
    sys.stderr.write(f"{printable(sentence)}\n")


def tell(line: str = "") -> None:
    """A line of the result, on stdout."""
    typer.echo(printable(line))


def tell_text(text: str) -> None:
    """Lines of the result as they are, but for what is no text in them."""
    typer.echo("\n".join(printable(line) for line in text.split("\n")), nl=False)


def tell_prose(text: str) -> None:
    """Sentences on stdout, in lines as wide as the terminal; no word is cut."""
    from rich.console import Console

    for line in wrap(text, Console().width, break_long_words=False, break_on_hyphens=False):
        tell(line)


def tell_facts(facts: Mapping[str, str]) -> None:
    """Names and what there is to say of each, on stdout: in two columns, texts in lines as wide as the terminal."""
    from rich.console import Console

    indent = max(map(len, facts), default=0) + _GAP
    for name, text in facts.items():
        lines = wrap(printable(text), Console().width - indent, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines or [""]):
            tell(f"{'' if number else name:{indent}}{line}".rstrip())


def tell_command(words: Sequence[str]) -> None:
    """A command to be typed, on stdout: quoted for a shell, and where the terminal is narrow, in lines that go on."""
    from shlex import quote

    from rich.console import Console

    units = list[str]()
    for word in words:  # an option and its value stay in one line
        option = bool(units) and units[-1].startswith("-") and " " not in units[-1] and not word.startswith("--")
        units[-1:] = [f"{units[-1]} {quote(word)}"] if option else [*units[-1:], quote(word)]
    room, lines = Console().width - 2, [""]
    for unit in units:
        if lines[-1].strip() and len(lines[-1]) + 1 + len(unit) > room:
            lines.append("  ")
        lines[-1] += unit if not lines[-1].strip() else f" {unit}"
    typer.echo(" \\\n".join(lines))


def tell_json(value: Any, indent: int | None = None) -> None:
    """A JSON value on stdout, in one line unless ``indent`` is given."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    typer.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def tell_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: as wide as the terminal where its words allow, its texts wrapped, no word cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(cell) for cell in row] for row in rows]
    widths = _widths([headings, *cells], Console().width - _GAP * (len(headings) - 1))
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    Console(width=sum(widths) + _GAP * len(widths)).print(table)


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Of the columns: what their texts want, or in too little room at least their longest word."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    wanted = [max(map(cell_len, column)) for column in columns]
    least = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    left = max(0, room - sum(least))
    while left and (short := [i for i in range(len(columns)) if least[i] < wanted[i]]):
        for i in sorted(short, key=lambda i: wanted[i])[:left]:
            least[i], left = least[i] + 1, left - 1
    return least


class Bar:
    """A progress bar to be called with (done, total) or (done, total, title); this one shows nothing."""

    def __call__(self, done: int, total: int, title: str | None = None) -> None:
        """Moves the bar."""

    def detail(self, words: str) -> None:
        """What is going on right now, shown beside the title."""


class _Shown(Bar):
    def __init__(self, update: Callable[..., None], title: str) -> None:
        self.update, self.title = update, title

    def __call__(self, done: int, total: int, title: str | None = None) -> None:
        self.update(completed=done, total=total, **({"description": printable(title)} if title else {}))

    def detail(self, words: str) -> None:
        self.update(description=printable(f"{self.title}: {words}"))


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Bar]:
    """A bar on stderr with the time left; it shows nothing where stderr is not a terminal or ``quiet`` is set."""
    if quiet or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    columns = (described, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(title), total=None)
        yield _Shown(partial(bar.update, task), title)
