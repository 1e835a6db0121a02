"""What a batch leaves beside its pictures: ``results.jsonl``, a line a row, and ``index.html`` to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retouch.batch.page import page
from retouch.batch.row import Row
from retouch.batch.run import Batch, Result
from retouch.runs.files import put_text, read_lines

TABLE, PAGE = "results.jsonl", "index.html"


@dataclass(frozen=True)
class Summary:
    """How far a batch is: edits that are there, that failed, that are left; and why the first of the failed did."""

    there: int
    failed: int
    left: int
    reason: str = ""


def write_summary(batch: Batch, everything: Sequence[tuple[Row, str]], title: str) -> Summary:
    """Writes both files, each in one piece; failures that another shard noted stay.

    Args:
        everything: all rows with their digests, those of other shards included.

    Raises:
        BadRun: when the disk does not take them.
    """
    mine = {row.output for row, _ in batch.rows}
    others = Batch(batch.folder, [one for one in everything if one[0].output not in mine])
    others.find_finished()
    found = {**batch.results, **others.results}
    noted = {one.get("output"): one for one in read_lines(batch.folder / TABLE) if one.get("status") == "failed"}
    results = [
        found.get(row.output) or _noted(row.told(), {} if row.output in mine else noted.get(row.output, {}))
        for row, _ in everything
    ]
    put_text(batch.folder / TABLE, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in results))
    files = {row.output: (row.picture, batch.folder / row.output) for row, _ in everything}
    thumbs = {
        one["output"]: tuple(
            batch.thumbs.of(one["output"], part, file)
            for part, file in zip(("before", "after"), files[one["output"]], strict=True)
        )
        for one in results
        if one["status"] == "made"
    }
    put_text(batch.folder / PAGE, page(title, results, thumbs))
    failed = [one for one in results if one["status"] == "failed"]
    there = sum(one["status"] == "made" for one in results)
    return Summary(there, len(failed), len(results) - there - len(failed), failed[0]["error"] if failed else "")


def _noted(asked: Result, failed: Mapping[str, Any]) -> Result:
    """What is known of a row without an output: the failure that another shard noted of this very edit, if any."""
    same = failed and all(failed.get(name) == value for name, value in asked.items())
    return dict(failed) if same else {**asked, "status": "left"}
