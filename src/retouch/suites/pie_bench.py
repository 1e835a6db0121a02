"""PIE-Bench (Ju et al., Direct Inversion, 2024), and those of its layout: pictures, two prompts and perhaps a mask."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.errors import BadPicture
from retouch.picture import notes_of, read_picture
from retouch.suites.parquet import parquet_files, parquet_picture, parquet_rows
from retouch.suites.suite import (
    BadSuite,
    Case,
    Entry,
    Suite,
    check_entries,
    folder_of,
    identity_of,
    json_table,
    option,
)

KINDS = (
    "random", "change object", "add object", "delete object", "change content", "change pose", "change colour",
    "change material", "change background", "change style",
)  # fmt: skip
"""By ``editing_type_id``."""

_MAPS: dict[str, Any] = {
    "aligner": "refine",
    "cross_replace_steps": 0.4,
    "self_replace_steps": 0.6,
    "self_replace_downsampling": 2,
}
_SCALE: dict[str, Any] = {"guidance_scale": 7.5}
_PUBLISHED = {
    "prompt-to-prompt": _MAPS, "null-text": _MAPS, "negative-prompt": _MAPS,
    "prox-npi": {**_MAPS, "quantile": 0.5, "inversion_guidance": 0.0},
    "masactrl": _SCALE, "prox-masactrl": _SCALE, "plug-and-play": _SCALE,
}  # fmt: skip
"""The settings of the published table, see docs/reproduce.md; a picture's blended words come with its entry."""

_TEXTS = ("image_path", "original_prompt", "editing_prompt")
_SIDE = 512
_NAMED = 5  # edits in a message
_PLUS_PLUS = {"original_prompt": "source_prompt", "editing_prompt": "target_prompt"}
"""What PIE-Bench++ (Huang et al., ParallelEdits, 2024) calls the same; its masks are text, and its words pairs."""
_ASPECTS = ("edit_action", "aspect_mapping")
"""What PIE-Bench++ says more, kept in ``about`` as it stands there."""


@dataclass(eq=False)
class PieBench(Suite):
    """The public layout: ``mapping_file.json``, a dict of id to what is asked, and ``annotation_images/``.

    The brackets in prompts, which mark the edited words, are taken out. The blended words are in ``about``, and as
    ``settings`` for Prompt-to-Prompt, as the published table gives them.

    Tables of the same layout are read too: those without masks, such as DNA-Bench's, whose edits are then measured over
    whole pictures, those without kinds, and those with the fields of PIE-Bench++ (``source_prompt``,
    ``target_prompt``, ``blended_words``, the mask as text), also as its Parquet files, a folder for each kind.

    Raises:
        BadSuite: when the folder or its table is not there or not of this layout.
    """

    name = "pie-bench"
    summary = "PIE-Bench, or another of its layout: ten kinds of edit, with source prompts, and masks where it has them"
    needs = "the benchmark's folder on your disk, with mapping_file.json and annotation_images/, or PIE-Bench++'s"

    published = _PUBLISHED
    main = ("pie.clip_score.edited", "clip_score.inside", "clip_score")

    data: str | PathLike[str] = option("the benchmark's folder")

    def __post_init__(self) -> None:
        where = folder_of(self.data, "PIE-Bench")
        table = f"the mapping_file.json of {str(where)!r}"
        if not (where / "mapping_file.json").exists() and parquet_files(where):
            found, table = parquet_rows(where), f"the Parquet files of {str(where)!r}"
        else:
            found = json_table(where, "mapping_file.json")
        if not isinstance(found, dict):
            raise BadSuite(f"{table} is not PIE-Bench's: expected an object that holds each edit under its id.")
        rows = {name: _as_pie_bench(row, f"the edit {name!r} in {table}") for name, row in found.items()}
        for name, row in rows.items():
            _check_row(row, f"the edit {name!r} in {table}")
        self.entries = [_entry(name, row, where) for name, row in rows.items()]
        self._runs = {name: row["mask"] for name, row in rows.items() if "mask" in row}
        check_entries(self.entries, table)
        self.settings_notes = _not_blended(self.entries)
        named = [(row["image_path"], row.get("mask")) for row in rows.values()]
        self.identity = identity_of(self.name, self.entries, named)

    def case(self, entry: Entry) -> Case:
        """Picture and, where the table has one, mask."""
        place = entry.files["picture"]
        read = parquet_picture(place, entry.id) if place.suffix == ".parquet" else read_picture(place)
        picture, notes = read.image, notes_of(read)
        if entry.id not in self._runs:
            return Case(entry, picture, notes=notes)
        if picture.size != (_SIDE, _SIDE):
            raise BadPicture(
                f"{str(entry.files['picture'])!r} is {picture.width} x {picture.height}; PIE-Bench's masks are for "
                f"pictures of {_SIDE} x {_SIDE}."
            )
        mask = Image.fromarray(decode_mask(self._runs[entry.id]) * np.uint8(255))
        return Case(entry, picture, mask, notes=notes)


def decode_mask(runs: Sequence[int]) -> NDArray[np.uint8]:
    """[512, 512] of 0 and 1 from [start, length, start, length, …], row by row.

    A run that goes over the end is cut off there. The published evaluation also sets the border to 1: the measures that
    follow it do that themselves.
    """
    flat = np.zeros(_SIDE * _SIDE, np.uint8)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        flat[start : start + length] = 1
    return flat.reshape(_SIDE, _SIDE)


def without_brackets(prompt: str) -> str:
    """A prompt without the marks around its edited words."""
    return " ".join(prompt.replace("[", "").replace("]", "").split())


def _as_pie_bench(row: Any, called: str) -> dict[str, Any]:
    """A row with PIE-Bench's names for what PIE-Bench++ calls otherwise; what is wrong in it stays."""
    if not isinstance(row, dict):
        raise BadSuite(f"{called} is {reprlib.repr(row)}, expected an object of {', '.join(_TEXTS)} and more.")
    found = {**row, **{ours: row[theirs] for ours, theirs in _PLUS_PLUS.items() if theirs in row and ours not in row}}
    if "blended_word" not in row and "blended_words" in row:
        found["blended_word"] = _first_pair(row["blended_words"])
    words = str(row.get("mask")).split() if isinstance(row.get("mask"), str) else []
    if words and all(word.isdecimal() for word in words):
        found["mask"] = [int(word) for word in words]
    if found.get("mask", "") in ("", None):
        found.pop("mask", None)
    folder = str(row.get("image_path")).split("/")[0].split("_")[0]
    if "editing_type_id" not in row and folder in map(str, range(len(KINDS))):
        found["editing_type_id"] = folder
    return found


def _first_pair(words: Any) -> Any:
    """The first of PIE-Bench++'s pairs, '["cat,dog"]' or a list, as PIE-Bench writes it: "cat dog"."""
    try:
        pairs = json.loads(words) if isinstance(words, str) and words.strip() else words or []
    except ValueError:
        return words
    first = pairs[0] if isinstance(pairs, list) and pairs else ""
    return " ".join(part.strip() for part in first.split(",", 1)) if isinstance(first, str) else words


def _check_row(row: dict[str, Any], called: str) -> None:
    """Refuses what :func:`_entry` and :func:`decode_mask` could not use, or would take for something else."""
    for key in _TEXTS:
        if not isinstance(row.get(key), str):
            raise _wrong(row, key, called, "text")
    if not isinstance(row.get("blended_word", ""), str):
        raise _wrong(row, "blended_word", called, "text")
    if str(row.get("editing_type_id", 0)) not in map(str, range(len(KINDS))):
        raise _wrong(row, "editing_type_id", called, f"0 to {len(KINDS) - 1}")
    runs = row.get("mask", [])
    if not isinstance(runs, list) or len(runs) % 2 or not all(type(number) is int for number in runs):
        raise _wrong(row, "mask", called, "a list of start, length, start, length, … in whole numbers")
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        if not 0 <= start < _SIDE * _SIDE or length < 0:
            raise BadSuite(
                f"{called}: its mask has a run of {length} pixels from {start} on, expected runs of at least 0 that "
                f"start at 0 to {_SIDE * _SIDE - 1}."
            )


def _wrong(row: dict[str, Any], key: str, called: str, expected: str) -> BadSuite:
    found = f"its {key} is {reprlib.repr(row[key])}" if key in row else f"it has no {key}"
    return BadSuite(f"{called}: {found}, expected {expected}.")


def _entry(name: str, row: dict[str, Any], where: Path) -> Entry:
    source, target = without_brackets(row["original_prompt"]), without_brackets(row["editing_prompt"])
    blended = row.get("blended_word", "")
    more = {key: row[key] for key in _ASPECTS if key in row}
    return Entry(
        name,
        KINDS[int(row["editing_type_id"])] if "editing_type_id" in row else "all",
        target,
        source,
        {"instruction": row.get("editing_instruction", ""), "blended_word": blended, **more},
        {"picture": Path(row["parquet"]) if "parquet" in row else where / "annotation_images" / row["image_path"]},
        _blending(blended, source, target),
    )


def _not_blended(entries: Sequence[Entry]) -> list[str]:
    """Which blended words cannot be given to Prompt-to-Prompt, in a sentence."""
    words = {entry.id: entry.about["blended_word"].strip() for entry in entries if not entry.settings}
    lost = [f"{name!r} ({pair!r})" for name, pair in words.items() if pair]
    if not lost:
        return []
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    return [
        f"of {len(lost)} of {len(entries)} edits the blended words are not in the prompts, one in the source and one "
        f"in the target, and nothing is blended there: {', '.join(lost[:_NAMED])}{more}."
    ]


def _blending(words: str, source: str, target: str) -> dict[str, str]:
    """The published settings of Prompt-to-Prompt: blend the words, and the target's counts twice."""
    old, _, new = words.partition(" ")
    if not new or old not in source.split() or new not in target.split():
        return {}
    return {"blend_words": f"{old} {new}", "reweight": f"{new}=2"}
