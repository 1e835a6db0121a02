"""Batches from tables and folders: every row read, and all that is wrong with them found."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from retouch.batch import cells
from retouch.batch.row import Problems, Row
from retouch.errors import BadParameter
from retouch.methods.choice import AXES
from retouch.runs.variants import Variant, method_asked
from retouch.suites.columns import in_any_case, misspelt, unread
from retouch.suites.suite import BadSuite
from retouch.suites.table import rows_in, rows_of, table_of

ALIASES = {"from": "source", "to": "target", "negative": "negative_prompt", "set": "settings"}
COLUMNS = (
    "picture", "source", "target", "mask", "method", "settings", "seed", "negative_prompt", "strength", "region",
    "keep", "size", "output",
)  # fmt: skip
_KNOWN = {**{name: name for name in COLUMNS}, **ALIASES}
_LISTED = ", ".join(COLUMNS)
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
FORMATS = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "same": ""}
"""Of outputs, with the endings of their names; "same" is the picture's own, where that can be written."""


@dataclass(frozen=True)
class Defaults:
    """What rows have that do not say: by column, as the command line gives it; and the format of outputs."""

    columns: Mapping[str, Any]
    format: str = "png"


@dataclass(frozen=True)
class Read:
    """What a table or folder holds.

    Attributes:
        rows: those with which nothing is wrong so far.
        files: the (picture, mask) of every row that names one, by what messages call it.
        unread: columns that nothing is read from.
    """

    rows: Sequence[Row]
    problems: Problems
    files: Mapping[str, tuple[Path, Path | None]]
    unread: Sequence[str] = ()


def read_batch(path: Path, defaults: Defaults) -> Read:
    """The rows of a table, or of a folder: those of the one table in it, or where it holds none a row for each picture.

    Raises:
        BadSuite: when there is no such file, or it is no table at all.
    """
    if os.path.isdir(path) and not any(p.suffix.lower() in (".csv", ".jsonl") for p in path.iterdir()):
        return _rows(path, _of_folder(path), defaults)
    table = table_of(path)
    return _of_table(rows_of(table), table, table.parent, defaults)


def read_stream(text: str, defaults: Defaults) -> Read:
    """The rows of a table that came as text: JSON objects, one a line, or CSV; its paths begin in the working folder.

    Raises:
        BadSuite: when it is no table at all.
    """
    called = Path("standard input")
    rows = rows_in(text.removeprefix("\ufeff"), called, csv=not text.lstrip("\ufeff \n\r\t").startswith("{"))
    return _of_table(rows, called, Path(), defaults)


def _of_table(rows: Sequence[tuple[int, dict[str, Any]]], table: Path, folder: Path, defaults: Defaults) -> Read:
    if not rows:
        raise BadSuite(f"{str(table)!r} holds no edits: give it rows with the columns picture and target.")
    return _rows(folder, [(f"line {number}", row) for number, row in rows], defaults)


def _of_folder(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith("."))
    if not found:
        raise BadSuite(f"the folder {str(folder)!r} holds neither a table (.csv, .jsonl) nor pictures.")
    return [(name, {"picture": name}) for name in found]


def _rows(folder: Path, found: Sequence[tuple[str, dict[str, Any]]], defaults: Defaults) -> Read:
    problems, proper = Problems(where for where, _ in found), list[tuple[str, dict[str, Any]]]()
    for where, row in found:
        with problems.of(""):
            proper.append((where, in_any_case(row, _KNOWN)))
    taken = _named(row for _, row in proper)
    rows, files = list[Row](), dict[str, tuple[Path, Path | None]]()
    others = unread([row for _, row in proper], _KNOWN)
    for name, near in others.items():
        if near:
            problems.add("", misspelt(name, near, COLUMNS))
    for where, row in proper:
        given = _joined(where, row, defaults.columns, problems)
        text = _texts(where, given, problems)
        if text["picture"]:
            files[where] = folder / text["picture"], folder / text["mask"] if text["mask"] else None
        one = _row(where, given, text, files.get(where), defaults.format, taken, problems)
        rows += [] if one is None else [one]
    return Read(rows, problems, files, list(others))


def _named(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names that rows give their outputs themselves, without endings, as file systems compare them."""
    return {Path(str(row["output"]).strip()).stem.casefold() for row in rows if row.get("output")}


def _joined(where: str, row: Mapping[str, Any], defaults: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """A row's values by the columns' proper names, over the defaults; an empty one says nothing."""
    own = dict[str, Any]()
    for name, value in row.items():
        column = ALIASES.get(name, name)
        if column not in COLUMNS or value is None or (isinstance(value, str) and not value.strip()):
            continue
        if own.setdefault(column, value) != value:
            problems.add(where, f"{column} is given twice, also as {name!r}: leave one of them out.")
    settings: Any = {**defaults.get("settings", {})}
    with problems.of(where):
        settings |= cells.settings(own.pop("settings", None))
    return {**defaults, **own, "settings": settings}


def _texts(where: str, given: Mapping[str, Any], problems: Problems) -> dict[str, str]:
    """A row's texts; what is wrong with each of them is noted, and what is missing."""
    found = dict.fromkeys(("picture", "source", "target", "mask", "method", "output"), "")
    for name in found:
        with problems.of(where):
            found[name] = cells.text(name, given.get(name))
    if not found["target"] and not given.get("target"):
        problems.add(where, "there is no target: say what the picture should show.")
    if not found["picture"] and not given.get("picture"):
        problems.add(where, f"there is no picture: the columns are {_LISTED}.")
    return found


def _row(
    where: str, given: Mapping[str, Any], text: Mapping[str, str], files: tuple[Path, Path | None] | None, kind: str,
    taken: set[str], problems: Problems,
) -> Row | None:  # fmt: skip
    """The row that values are; None where one cannot be, and why is noted."""
    seed = None
    with problems.of(where):
        seed = cells.seed(given.get("seed"))
    with problems.of(where):
        variant = _variant(text["method"], given, problems, where)
        if files is not None and seed is not None:
            output = _output(text["output"], files[0], kind, taken)
            return Row(
                where, files[0], text["picture"], text["source"], text["target"], output, variant, seed, files[1]
            )
    return None


def _variant(method: str, given: Mapping[str, Any], problems: Problems, where: str) -> Variant:
    settings = dict(given["settings"])
    parts = {axis: str(settings.pop(axis)) for axis in AXES if axis in settings}
    asked = dict[str, Any]()
    for name, read in (("negative_prompt", cells.text), ("strength", cells.strength), ("region", cells.region)):
        with problems.of(where):
            value = read(name, given.get(name))
            asked |= {} if value in (None, "") else {name: value}
    keep, size = "auto", None
    with problems.of(where):
        keep, size = cells.keep(given.get("keep")), cells.size(given.get("size"))
    if "strength" in asked and "strength" in settings:
        raise BadParameter("strength is given as a setting and by its column: leave one of them out.")
    _, name, values = method_asked(method, parts, settings)
    return Variant(name, name, values, parts, keep, size, asked)


def _output(named: str, picture: Path, kind: str, taken: set[str]) -> str:
    """The name of a row's output: the one that it gives, or the picture's, made unique.

    Raises:
        BadParameter: for a name that is no plain file's.
    """
    from retouch.picture import WRITABLE

    if named:
        own = Path(named).suffix.lower()
        if Path(named).name != named or named.startswith("."):
            raise BadParameter(f"the output {named!r} is no plain name: outputs go into the folder -o.")
        if own in WRITABLE:
            return named
        if own in PICTURES:
            raise BadParameter(f"the output {named!r} must end in one of {', '.join(WRITABLE)}.")
        return named + _ending(picture, kind, WRITABLE)
    names = (picture.stem if number == 1 else f"{picture.stem}-{number}" for number in count(1))
    stem = next(name for name in names if name.casefold() not in taken)
    taken.add(stem.casefold())
    return stem + _ending(picture, kind, WRITABLE)


def _ending(picture: Path, kind: str, writable: Collection[str]) -> str:
    own = picture.suffix.lower()
    return FORMATS[kind] or (own if own in writable else ".png")
