"""PIE-Bench++ as its authors publish it: Parquet files with the pictures inside, a folder for each kind of edit."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from retouch.picture import Picture, from_bytes
from retouch.suites.suite import BadSuite

_KEY, _PICTURE = "id", "image"


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder, or of the folders in it."""
    return sorted([*folder.glob("*.parquet"), *folder.glob("*/*.parquet")])


def parquet_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of its files by id, all but the pictures: ``image_path`` says "KIND/ID", and ``parquet`` which file.

    Raises:
        BadSuite: when one cannot be read, lacks a column, or has an id that is there already.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in parquet_files(folder):
        table = _read(path)
        names = table.column_names
        if _KEY not in names or _PICTURE not in names:
            raise BadSuite(f"{str(path)!r} has the columns {', '.join(names)}, expected {_KEY}, {_PICTURE} and more.")
        for row in table.drop_columns([_PICTURE]).to_pylist():
            name = str(row.pop(_KEY))
            if name in found:
                raise BadSuite(f"{str(path)!r} has the id {name!r} once more: take the folder as it is published.")
            found[name] = {**row, "image_path": f"{path.parent.name}/{name}", "parquet": str(path)}
    return found


def parquet_picture(path: Path, name: str) -> Picture:
    """The picture of one row.

    Raises:
        BadSuite, BadPicture: when it is not there or cannot be read.
    """
    table = _read(path)
    ids = [str(one) for one in table[_KEY].to_pylist()]
    held = table[_PICTURE][ids.index(name)].as_py() if name in ids else None
    data = held.get("bytes") if isinstance(held, dict) else held
    if not isinstance(data, bytes):
        raise BadSuite(f"{str(path)!r} holds no picture of {name!r}: take the folder as it is published.")
    return from_bytes(data, f"the picture of {name!r} in {path.name}")


def _read(path: Path) -> Any:
    """A file's table."""
    try:
        return _at_hand(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise BadSuite(f"{str(path)!r} cannot be read ({type(error).__name__}): get the file again.") from None


@lru_cache(maxsize=1)
def _at_hand(path: Path, changed: int) -> Any:
    """The table of the file at hand, which is read once for all its rows; ``changed`` is when it was written."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise BadSuite(f"{str(path)!r} is read with pyarrow: get it with pip install 'retouch[bench]'.") from None
    try:
        return parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise BadSuite(f"{str(path)!r} cannot be read ({type(error).__name__}): get the file again.") from None
