"""The columns of a user's table: those that are known, in any case, and those that nothing is read from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

from retouch.suites.suite import BadSuite

_NEAR = 0.75
_SHOWN = 25  # names in a message


def in_any_case(row: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """A row whose known columns have their proper names, "Mask" as "mask"; others are as they are.

    Raises:
        BadSuite: when two are one column.
    """
    found, own = dict[str, Any](), dict[str, str]()
    for name, value in row.items():
        proper = name.strip().lower() if name.strip().lower() in known else name
        if proper in found:
            raise BadSuite(f"the columns {own[proper]!r} and {name!r} are both {proper}: leave one of them out.")
        found[proper], own[proper] = value, name
    return found


def unread(rows: Iterable[Mapping[str, Any]], known: Mapping[str, str]) -> dict[str, str]:
    """The columns that are not known: to each the known one that it is nearly called as, "" for none.

    A row that has that one, too, means another thing by it.

    Args:
        known: every name that is read, and the column that it stands for.
    """
    found, nearest = dict[str, str](), cache(partial(_near, tuple(known)))
    for row in rows:
        there = {known[name] for name in row if name in known}
        for name in [name for name in row if name not in known]:
            near = nearest(name)
            found[name] = found.get(name) or (near if near and known[near] not in there else "")
    return found


def _near(known: Sequence[str], name: str) -> str:
    """The known name that one is nearly; "" for none."""
    return next(iter(get_close_matches(name.strip().lower(), known, n=1, cutoff=_NEAR)), "")


def misspelt(name: str, near: str, columns: Sequence[str]) -> str:
    """The sentence that refuses a column for being nearly another."""
    return f"there is no column {name!r} (did you mean {near}?): the columns are {', '.join(columns)}."


def ignored(names: Sequence[str], more: str = "") -> str:
    """The sentence that names columns which nothing is read from.

    Args:
        more: to be said of them.
    """
    beyond = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    columns = "column" if len(names) == 1 else "columns"
    return f"nothing is read from the {columns} {', '.join(map(repr, names[:_SHOWN]))}{beyond}{more}."


def read_columns(
    rows: Sequence[tuple[int, Mapping[str, Any]]], columns: Sequence[str], table: Path, more: str = ""
) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    """Numbered rows by the columns' proper names, and what there is to say of the others, in sentences.

    Args:
        columns: that are known.
        table: what messages call it.
        more: to be said of columns that nothing is read from.

    Raises:
        BadSuite: for a column that is nearly one of these and is in its place, or one that is there twice.
    """
    try:
        found = [(line, in_any_case(row, columns)) for line, row in rows]
    except BadSuite as error:
        raise BadSuite(f"{str(table)!r}: {error}") from None
    others = unread([row for _, row in found], {name: name for name in columns})
    for name, near in others.items():
        if near:
            raise BadSuite(f"{str(table)!r}: {misspelt(name, near, columns)}")
    return found, [f"{table}: {ignored(list(others), more)}"] if others else []


def lacking(
    key: str, line: int, rows: Sequence[tuple[int, Mapping[str, Any]]], columns: Sequence[str], table: Path
) -> BadSuite:
    """The error of a row that lacks what it needs: of a cell to be filled in, or of a table without the column."""
    there = list(dict.fromkeys(name for _, row in rows for name in row))
    if key in there:
        return BadSuite(f"line {line} of {str(table)!r} has no {key}: fill it in.")
    has = ", ".join(map(repr, there[:_SHOWN])) or "none"
    return BadSuite(
        f"line {line} of {str(table)!r} has no {key}: the table has the columns {has}, expected some of "
        f"{', '.join(columns)}."
    )
