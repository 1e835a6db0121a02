"""A user's own suite: a CSV or JSONL table of pictures, prompts and masks."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from retouch.evaluate.suites.suite import BadSuite, Case, Entry, Suite, case_from_files, check_entries

COLUMNS = ("id", "kind", "picture", "source", "target", "mask")


class Table(Suite):
    """Rows with ``picture`` and ``target``, and, where wanted, ``source``, ``mask``, ``id`` and ``kind``.

    Paths are relative to the table's folder. Without ``id`` a row is called by its number and its picture's name.

    Args:
        path: a ``.csv`` with a header line, a ``.jsonl`` of one object a line, or a folder that holds exactly one.

    Raises:
        BadSuite: when there is no such file, or a row lacks what it needs; the row is named.
    """

    name = "folder"

    def __init__(self, path: str | Path) -> None:
        table = _table_of(Path(path))
        self.entries = [_entry(number, row, table) for number, row in _rows(table)]
        check_entries(self.entries, repr(str(table)))
        edits = {entry.id: [entry.source, entry.target, entry.files["picture"].name] for entry in self.entries}
        self.identity = {"suite": self.name, "edits": dict(sorted(edits.items()))}

    def case(self, entry: Entry) -> Case:
        """Picture and, where the row names one, mask."""
        return case_from_files(entry)


def _table_of(path: Path) -> Path:
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in (".csv", ".jsonl"))
        if len(found) != 1:
            names = ", ".join(p.name for p in found) or "none"
            raise BadSuite(f"the folder {str(path)!r} should hold one table, .csv or .jsonl; there: {names}.")
        return found[0]
    if not path.is_file() or path.suffix.lower() not in (".csv", ".jsonl"):
        raise BadSuite(f"{str(path)!r} is no table: give a .csv or .jsonl file, or the folder of one.")
    return path


def _rows(table: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with their line numbers."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSuite(f"{str(table)!r} cannot be read ({type(error).__name__}): it should be UTF-8 text.") from None
    if table.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        return [(reader.line_num, {(key or "").strip(): value for key, value in row.items()}) for row in reader]
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise BadSuite(f"line {number} of {str(table)!r} is not a JSON object.")
            rows.append((number, row))
    return rows


def _entry(number: int, row: dict[str, Any], table: Path) -> Entry:
    for key, value in row.items():
        if key in COLUMNS and value is not None and not isinstance(value, str | int):
            raise BadSuite(f"line {number} of {str(table)!r}: {key} is {value!r}, expected text.")
    given = {key: str(row[key]).strip() for key in COLUMNS if row.get(key) is not None}
    for key in ("picture", "target"):
        if not given.get(key):
            raise BadSuite(
                f"line {number} of {str(table)!r} has no {key}; the columns are: {', '.join(COLUMNS)} (picture and "
                "target are needed)."
            )
    files = {key: table.parent / given[key] for key in ("picture", "mask") if given.get(key)}
    return Entry(
        given.get("id") or f"{number:04}-{files['picture'].stem}", given.get("kind") or "all", given["target"],
        given.get("source") or None, {key: value for key, value in row.items() if key not in COLUMNS}, files,
    )  # fmt: skip
