"""A user's own suite: a CSV or JSONL table of pictures, prompts and masks."""

from __future__ import annotations

import csv
import io
import json
import os
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from retouch.suites.columns import lacking, read_columns
from retouch.suites.suite import BadSuite, Case, Entry, Suite, case_from_files, check_entries, identity_of, option

COLUMNS = ("id", "kind", "picture", "source", "target", "mask")
_READ = (*COLUMNS, "instruction")  # which a report shows
_NUMBERED = ("id", "name")


@dataclass(eq=False)
class Table(Suite):
    """Rows with ``picture`` and ``target``, and, where wanted, ``source``, ``mask``, ``id`` and ``kind``.

    Paths are relative to the table's folder. An ``instruction`` is shown in reports; further columns are kept with each
    edit, and said in :attr:`notes`. Without ``id`` a row is called by its number, from 1, and its picture's
    name, whichever format the table has. Texts
    are of one line; a CSV's texts that hold commas stand between double quotes.

    Args:
        data: a ``.csv`` with a header line, a ``.jsonl`` of one object a line, or a folder that holds exactly one.
        edits: how many of every row, in a row: from the source text to the target, back, and so on, each on the result
            of the one before. Then every row needs a source.

    Raises:
        BadSuite: when there is no such file, a column is nearly called as one of these, or a row lacks what it needs;
            the row is named.
    """

    name = "folder"
    summary = "your own table of pictures and texts, with source prompts, masks and kinds where you have them"
    needs = "a .csv or .jsonl with the columns picture and target, and perhaps source, mask, id and kind"

    main = ("clip_score.inside", "clip_score")

    data: str | PathLike[str] = option("a .csv or .jsonl table, or the folder of one")
    edits: int = option("of every row, there and back, each on the result of the one before", default=1, low=1)

    def __post_init__(self) -> None:
        table = table_of(Path(self.data))
        rows, self.notes = read_columns(rows_of(table), _READ, table, "; a run keeps them with each edit")
        asked = [_entry(number, rows, table) for number in range(1, len(rows) + 1)]
        check_entries(asked, repr(str(table)))
        named = [[(row.get(key) or "").strip() for key in ("picture", "mask")] for _, row in rows]
        self.entries = asked
        if self.edits > 1:
            self.entries = [step for entry in asked for step in _there_and_back(entry, self.edits, table)]
            check_entries(self.entries, repr(str(table)))
            named = [files for files in named for _ in range(self.edits)]
        self.identity = identity_of(self.name, self.entries, named)

    def case(self, entry: Entry) -> Case:
        """Picture and, where the row names one, mask."""
        return case_from_files(entry)


def table_of(path: Path) -> Path:
    """The table that a path names: itself, or the only one in a folder.

    Raises:
        BadSuite: when there is none, or more than one.
    """
    if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in (".csv", ".jsonl"))
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise BadSuite(f"the folder {str(path)!r} should hold one table, .csv or .jsonl; there: {names}.")
        return found[0]
    if not os.path.exists(path):
        raise BadSuite(f"there is no file {str(path)!r}: name a table, .csv or .jsonl, or the folder of one.")
    if not os.path.isfile(path) or path.suffix.lower() not in (".csv", ".jsonl"):
        raise BadSuite(f"{str(path)!r} is no table: give a .csv or .jsonl file, or the folder of one.")
    return path


def rows_of(table: Path) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a table with their line numbers: texts by column of a .csv, whatever a .jsonl's objects hold.

    Raises:
        BadSuite: when it cannot be read so.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSuite(f"{str(table)!r} cannot be read ({type(error).__name__}): it should be UTF-8 text.") from None
    return rows_in(text, table, csv=table.suffix.lower() == ".csv")


def rows_in(text: str, table: Path, *, csv: bool) -> list[tuple[int, dict[str, Any]]]:
    """As :func:`rows_of`, from a table's text; ``table`` is what messages call it.

    Raises:
        BadSuite: when it cannot be read so.
    """
    if csv:
        return _csv_rows(text, table)
    rows = []
    for number, line in enumerate(text.split("\n"), 1):  # str.splitlines splits at U+2028 too, which a prompt may hold
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise BadSuite(f"line {number} of {str(table)!r} is not a JSON object.")
            rows.append((number, row))
    return rows


def _csv_rows(text: str, table: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with the lines they begin on; refuses what commas or quotes out of place would make of them."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    header: list[str] | None = None
    rows, line = [], 1
    try:
        for cells in reader:
            broken = [cell for cell in cells if "\n" in cell]
            if broken:
                raise BadSuite(
                    f"the row from line {line} of {str(table)!r} on has {reprlib.repr(broken[0])}, a field of several "
                    "lines: put right the double quote that is out of place, or write the text on one line."
                )
            if header is None and cells:
                header = [cell.strip() for cell in cells]
                twice = [name for name in header if name and header.count(name) > 1]
                if twice:
                    raise BadSuite(f"{str(table)!r} has two columns {twice[0]!r}: give each a name of its own.")
            elif header is not None and cells:
                unnamed = [cell for name, cell in zip(header, cells, strict=False) if not name and cell.strip()]
                beyond = unnamed + cells[len(header) :]
                if beyond:
                    raise BadSuite(
                        f"line {line} of {str(table)!r} has a field that the header has no name for, "
                        f"{reprlib.repr(beyond[0])}: put texts that hold commas between double quotes."
                    )
                whole = cells + [""] * (len(header) - len(cells))  # a line that ends early has empty fields
                rows.append((line, {name: cell for name, cell in zip(header, whole, strict=True) if name}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadSuite(
            f"the row from line {line} of {str(table)!r} on is not CSV ({error}): put right the double quote that is "
            "out of place or has no second."
        ) from None
    return rows


def texts_of(row: dict[str, Any], columns: Sequence[str], line: int, table: Path) -> dict[str, str]:
    """What a row gives in these columns, stripped; numbers are texts in "id" and "name" alone.

    Raises:
        BadSuite: for what is no text, or of more than one line.
    """
    for key in columns:
        value = row.get(key)
        # a bool is an int to Python, and is no id
        if value is not None and not isinstance(value, str) and (key not in _NUMBERED or type(value) is not int):
            raise BadSuite(f"line {line} of {str(table)!r}: {key} is {reprlib.repr(value)}, expected text.")
        if isinstance(value, str) and ("\n" in value or "\r" in value):
            raise BadSuite(f"line {line} of {str(table)!r}: {key} is {reprlib.repr(value)}, expected text on one line.")
    return {key: str(row[key]).strip() for key in columns if row.get(key) is not None}


def _entry(number: int, rows: Sequence[tuple[int, dict[str, Any]]], table: Path) -> Entry:
    line, row = rows[number - 1]
    given = texts_of(row, COLUMNS, line, table)
    for key in ("picture", "target"):
        if not given.get(key):
            raise lacking(key, line, rows, COLUMNS, table)
    files = {key: table.parent / given[key] for key in ("picture", "mask") if given.get(key)}
    return Entry(
        given.get("id") or f"{number:04}-{files['picture'].stem}", given.get("kind") or "all", given["target"],
        given.get("source") or None, {key: value for key, value in row.items() if key not in COLUMNS}, files,
    )  # fmt: skip


def _there_and_back(entry: Entry, edits: int, table: Path) -> list[Entry]:
    """The edits of a row's chain."""
    if entry.source is None:
        raise BadSuite(f"the edit {entry.id!r} of {str(table)!r} has no source, which edits in a row lead back to.")
    texts = (entry.source, entry.target)
    return [
        replace(
            entry, id=f"{entry.id}-{number:03}", kind=f"edit {number}", source=texts[1 - number % 2],
            target=texts[number % 2], chain=entry.id, step=number,
        )
        for number in range(1, edits + 1)
    ]  # fmt: skip
