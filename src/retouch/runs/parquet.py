"""A run's table on the disk: ``results/SHARD.parquet``, which together are one table, an edit a row.

``pandas.read_parquet("run/results")`` reads it whole. Who finishes a shard writes the rows of its edits; other files
stay as they are unless something in them is new, such as a measure that was added to all.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retouch.atomic import atomic_write
from retouch.runs.files import BadRun, alone, make_folder
from retouch.runs.results import library, results
from retouch.runs.run import Run


def check_table() -> None:
    """Whether :func:`write_results` has what it needs.

    Raises:
        MissingExtra: without pandas or pyarrow.
    """
    library("pandas"), library("pyarrow.parquet")


def write_results(run: Run) -> Path:
    """Writes the files of the run's table that are not up to date, each in one piece, the manifest in its metadata.

    Args:
        run: finished, or on its way.

    Returns:
        the folder they are in.

    Raises:
        MissingExtra: without pandas or pyarrow.
        BadRun: when the disk does not take it.
    """
    arrow, _ = library("pyarrow"), library("pyarrow.parquet")
    folder = run.folder / "results"
    if _up_to_date(folder, run):
        return folder
    make_folder(folder)
    with alone(run.folder):  # shards that end together: the last one has seen the lines of all
        read = time.time_ns()
        frame, shards = results(run), run.shards()
        whole = arrow.Table.from_pandas(frame, preserve_index=False)
        manifest = json.dumps(asdict(run.manifest)).encode()
        whole = whole.replace_schema_metadata({**(whole.schema.metadata or {}), b"retouch": manifest})
        rows: dict[str, list[int]] = {}
        for number, key in enumerate(zip(frame["case"], frame["method"], frame["seed"], strict=True)):
            rows.setdefault(shards[key], []).append(number)
        for shard, own in rows.items():
            _write(folder / f"{shard}.parquet", whole.take(own), read)
        for left in {*folder.glob("*.parquet")} - {folder / f"{shard}.parquet" for shard in rows}:
            left.unlink(missing_ok=True)
    return folder


def _write(path: Path, table: Any, read: int) -> None:
    """Writes a table unless the file holds it already; it is then as new as what was read for it, in ns."""
    parquet = library("pyarrow.parquet")
    try:
        if not _holds(path, table):
            with atomic_write(path) as unfinished:
                parquet.write_table(table, unfinished)
        os.utime(path, ns=(read, read))
    except OSError as error:
        raise BadRun(f"{str(path)!r} could not be written ({error.strerror}): make room, and run it again.") from None


def _holds(path: Path, table: Any) -> bool:
    with suppress(OSError, library("pyarrow").ArrowException):  # none, or a damaged one
        before = library("pyarrow.parquet").read_table(path)
        return bool(
            before.equals(table) and before.schema.metadata.get(b"retouch") == table.schema.metadata[b"retouch"]
        )
    return False


def _up_to_date(folder: Path, run: Run) -> bool:
    """Whether all files of the table were made after all that they are made of."""
    made_of = [run.folder / "run.json", *run.folder.glob("records/*"), *run.folder.glob("measures/*")]
    with suppress(OSError, ValueError):
        return min(one.stat().st_mtime_ns for one in folder.glob("*.parquet")) > max(
            one.stat().st_mtime_ns for one in made_of
        )
    return False
