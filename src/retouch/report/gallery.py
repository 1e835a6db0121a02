"""The report's pictures: some cases, evenly over the kinds, small enough to lie inside one page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from retouch.errors import BadPicture
from retouch.report.columns import Column
from retouch.report.gathered import Gathered
from retouch.runs.manifest import Record
from retouch.runs.run import Run
from retouch.suites.suite import Case

SIDES = ((300, 512), (600, 384))
"""Up to so many pictures, their longer side has at most so many pixels."""
SMALLEST_SIDE = 256
_QUALITY = 85


def chosen_cases(gathered: Gathered, most: int) -> list[str]:
    """At most ``most`` cases: as many of each kind as can be, spread over the kind's cases."""
    by_kind: dict[str, list[str]] = {kind: [] for kind in gathered.kinds}
    for name, entry in gathered.entries.items():
        by_kind[entry.kind].append(name)
    share = dict.fromkeys(by_kind, 0)
    left = min(most, len(gathered.entries))
    while left > 0:
        for kind, names in by_kind.items():
            if left > 0 and share[kind] < len(names):
                share[kind], left = share[kind] + 1, left - 1
    return [
        name
        for kind, names in by_kind.items()
        for name in (names[i * len(names) // share[kind]] for i in range(share[kind]))
    ]


def gallery(gathered: Gathered, columns: Sequence[Column], most: int) -> list[dict[str, Any]]:
    """The chosen cases, JSON-ready.

    Args:
        columns: those that are measures, and the time, are told of every edit.
        most: how many cases at most.

    Returns:
        of each case ``id``, ``kind``, ``source``, ``target``, ``instruction``, ``size`` (width and height, pixels), its
        pictures as data URIs (``input``; ``truth`` and ``mask`` where there are any), and ``edits``, a list of
        ``method`` (its position), ``seed``, ``image`` (None where there is none), ``error``, and ``values``, pairs of
        title and text.

    Raises:
        BadRun, BadPicture: when a case's own picture is damaged.
    """
    names = chosen_cases(gathered, most)
    by_case = dict(tuple(gathered.edits[gathered.edits["case"].isin(names)].groupby("case", sort=False)))
    failed = dict(tuple(gathered.failures[gathered.failures["case"].isin(names)].groupby("case", sort=False)))
    side = _side(sum(map(len, by_case.values())) + 2 * len(names))
    labels = {method.label: number for number, method in enumerate(gathered.methods)}
    shown = [column for column in columns if column.role == "measure"]
    shown += [column for column in columns if column.name == "seconds"]
    found = []
    for name in names:
        case = _case(gathered, name)
        entry = case.entry
        edits = [
            _edit(gathered.runs[row["run"]], row, labels, shown, side)
            for frame in (by_case.get(name), failed.get(name))
            if frame is not None
            for row in frame.to_dict("records")
        ]
        found.append(
            {
                "id": entry.id, "kind": entry.kind, "source": entry.source or "", "target": entry.target,
                "instruction": str(entry.about.get("instruction", "")),
                "size": list(case.picture.size), "input": data_uri(case.picture, side),
                "truth": None if case.truth is None else data_uri(case.truth, side),
                "mask": None if case.mask is None else data_uri(case.mask, side),
                "edits": sorted(edits, key=lambda one: (one["method"], one["seed"])),
            }
        )  # fmt: skip
    return found


def data_uri(image: Image.Image, side: int) -> str:
    """A picture inside an address: WebP, its longer side at most ``side`` pixels; a mask (L) without loss."""
    if max(image.size) > side:
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    if image.mode == "L":
        image.point(lambda value: 255 * (value > 127)).convert("1").save(file, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(file, "WEBP", quality=_QUALITY, method=3)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _side(pictures: int) -> int:
    return next((side for most, side in SIDES if pictures <= most), SMALLEST_SIDE)


def _case(gathered: Gathered, name: str) -> Case:
    """From the first run that has it."""
    return next(case for run in gathered.runs if (case := run.case(name)) is not None)


def _edit(
    run: Run, row: dict[str, Any], labels: dict[str, int], columns: Sequence[Column], side: int
) -> dict[str, Any]:
    error, image = row["error"], None
    if not error:
        record = Record(row["case"], row["kind"], row["method"], row["seed"], row["seconds"], row["evaluations"])
        try:
            image = data_uri(run.edit(record), side)
        except BadPicture as damaged:  # one picture less must not take the report away
            error = str(damaged)
    values = [] if error else [[column.short_heading, column.shown(_number(row[column.name]))] for column in columns]
    return {
        "method": labels[row["label"]], "seed": int(row["seed"]), "image": image, "error": error, "values": values,
    }  # fmt: skip


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]
