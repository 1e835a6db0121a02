"""Pictures as they were before anybody's edits: a folder, and where there is one a table of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from retouch.suites.columns import lacking, read_columns
from retouch.suites.pictures import did_you_mean, pictures_of, some
from retouch.suites.suite import BadSuite, Case, Entry, Suite, case_from_files, check_entries, identity_of, option
from retouch.suites.table import rows_of, table_of, texts_of

COLUMNS = ("name", "kind", "target", "source", "instruction", "mask")

_Asked = dict[str, dict[str, str]]


@dataclass(eq=False)
class BeforeAfter(Suite):
    """An edit of every picture of a folder, called by the picture's name without its ending.

    What the table does not say stays unsaid: an edit without a target is measured against its picture alone, one
    without a mask over the whole of it.

    Args:
        before: the folder.
        targets: a ``.csv`` or ``.jsonl`` of ``name``, a picture's with or without its ending, and, where known,
            ``target``, ``source``, ``instruction``, ``mask`` (white where the edit may change things; relative to the
            table's folder) and ``kind``; "" for none. With several ``steps`` a name may be a step's, ``cat-002``.
        steps: how many edits there are of every picture, each on the result of the one before: ``cat-001``,
            ``cat-002``, … A mask that the table gives a picture is of all that any of them may change.

    Raises:
        BadSuite: for a folder without pictures, or a table that cannot be used; the row is named. Columns that nothing
            is read from are said in :attr:`notes`, unless they are nearly called as one that is.
    """

    name = "before-after"
    summary = "a folder of pictures, for edits of them that others made; texts and masks where you have them"
    needs = "a folder of pictures, and perhaps a .csv or .jsonl with name, target, source, instruction, mask and kind"

    main = ("clip_score.inside", "clip_score")

    before: str | PathLike[str] = option("the folder of the pictures as they were")
    targets: str | PathLike[str] = option("a .csv or .jsonl of what was asked, by the pictures' names", default="")
    steps: int = option("edits of every picture in a row, NAME-001, NAME-002, …", default=1, low=1)

    def __post_init__(self) -> None:
        pictures = pictures_of(self.before, "the pictures as they were")
        table = table_of(Path(self.targets)) if str(self.targets) else None
        rows, self.notes = read_columns(rows_of(table), COLUMNS, table) if table else ([], [])
        asked = _asked(rows, table, pictures, self.steps) if table else {}
        self.entries, named = [], list[Any]()
        for name, picture in pictures.items():
            for number in range(1, self.steps + 1):
                step = f"{name}-{number:03}" if self.steps > 1 else name
                row = {**asked.get(name, {}), **asked.get(step, {})}
                files = {"picture": picture}
                if table and row.get("mask"):
                    files["mask"] = table.parent / row["mask"]
                self.entries.append(_entry(step, row, files, (name, number) if self.steps > 1 else ("", 0)))
                named.append([picture.name, row.get("mask", ""), row.get("instruction", "")])
        check_entries(self.entries, repr(str(self.before)))
        self.identity = identity_of(self.name, self.entries, named)

    def case(self, entry: Entry) -> Case:
        """Picture and, where the table names one, mask."""
        return case_from_files(entry)


def _entry(name: str, row: dict[str, str], files: dict[str, Path], place: tuple[str, int]) -> Entry:
    about = {"instruction": row["instruction"]} if row.get("instruction") else {}
    kind = row.get("kind") or (f"edit {place[1]}" if place[0] else "all")
    return Entry(
        name, kind, row.get("target", ""), row.get("source") or None, about, files, chain=place[0], step=place[1]
    )


def _asked(rows: Sequence[tuple[int, dict[str, Any]]], table: Path, pictures: dict[str, Path], steps: int) -> _Asked:
    """What the table says, by the name of a picture or of a step."""
    known = {name: name for name in pictures} | {path.name: name for name, path in pictures.items()}
    if steps > 1:
        known |= {f"{name}-{number:03}": f"{name}-{number:03}" for name in pictures for number in range(1, steps + 1)}
    found: _Asked = {}
    for line, row in rows:
        given = texts_of(row, COLUMNS, line, table)
        name = given.get("name", "")
        if not name:
            raise lacking("name", line, rows, COLUMNS, table)
        if name not in known:
            raise BadSuite(
                f"line {line} of {str(table)!r} names {name!r}, and no picture is called so"
                f"{did_you_mean(name, known)}: there are {some(list(pictures))}."
            )
        if known[name] in found:
            raise BadSuite(f"line {line} of {str(table)!r} names {name!r} once more: give every picture one line.")
        found[known[name]] = given
    if not found:
        raise BadSuite(f"{str(table)!r} holds no rows: give a line for a picture, or leave the table out.")
    return found
