"""MagicBrush (Zhang et al., 2023): edits by instruction that people made and checked, one by one or in a row."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from retouch.picture import notes_of, read_mask, read_picture
from retouch.quantity import Quantity
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

_FIELDS = ("input", "mask", "output", "instruction")
_SINGLE, _MULTI = "single", "multi"


@dataclass(eq=False)
class MagicBrush(Suite):
    """The public layout of the dev and test sets.

    ``edit_sessions.json`` holds the turns of every picture under its number, each with the names of its ``input``,
    ``mask`` and ``output`` and its ``instruction``; ``global_descriptions.json`` says what every one of these pictures
    shows; the pictures lie in ``images/NUMBER/``. A mask is the picture with a transparent hole where the edit is.

    With ``turns="single"`` every turn is made of the picture that people had before it; with "multi" a session is
    edits in a row, each on the result of the one before, with the masks of all its turns together. Ids are the names
    of the published outputs, ``NUMBER_1``, ``NUMBER_inde_2`` and ``NUMBER_iter_2``.

    Raises:
        BadSuite: when the folder or its tables are not there or not of this layout.
    """

    name = "magic-brush"
    summary = "MagicBrush: instructions for real photographs, one by one or in a row, with masks and people's answers"
    needs = "the folder of its dev or test set, with edit_sessions.json, global_descriptions.json and images/"
    verdicts = (
        Quantity(
            "l1", "L1 to people's answer", "", "lower", "mean distance to the published answer, of values in 0..1"
        ),
        Quantity("l2", "L2 to people's answer", "", "lower", "mean squared distance to it"),
    )

    main = ("clip_score.inside", "clip_score", "l1")

    data: str | PathLike[str] = option("the benchmark's folder")
    turns: str = option(
        "single: each by itself; multi: those of a session in a row", default=_SINGLE, choices=(_SINGLE, _MULTI)
    )

    def __post_init__(self) -> None:
        where = folder_of(self.data, "MagicBrush")
        sessions = json_table(where, "edit_sessions.json")
        told = json_table(where, "global_descriptions.json")
        table = f"the edit_sessions.json of {str(where)!r}"
        if not isinstance(sessions, dict) or not all(isinstance(turns, list) for turns in sessions.values()):
            raise BadSuite(f"{table} is not MagicBrush's: expected an object that holds each session's list of turns.")
        self.entries = []
        for number, turns in sessions.items():
            texts = told.get(number, {}) if isinstance(told, dict) else {}
            for turn, row in enumerate(turns, 1):
                _check_turn(row, texts, f"turn {turn} of {number!r} in {table}")
            self.entries += [self._entry(where / "images" / number, turns, i, texts) for i in range(len(turns))]
        check_entries(self.entries, table)
        named = [[entry.files[part].name for part in ("picture", "mask", "truth")] for entry in self.entries]
        self.identity = identity_of(self.name, self.entries, named)

    def _entry(self, folder: Path, turns: Sequence[dict[str, str]], index: int, texts: dict[str, str]) -> Entry:
        row, number, turn, chained = turns[index], folder.name, index + 1, self.turns == _MULTI
        first = turns[0]["input"] if chained else row["input"]
        files = {"picture": folder / first, "mask": folder / row["mask"], "truth": folder / row["output"]}
        if chained:
            files |= {f"mask {i}": folder / one["mask"] for i, one in enumerate(turns, 1)}
        name = f"{number}_1" if turn == 1 else f"{number}_{'iter' if chained else 'inde'}_{turn}"
        return Entry(
            name, f"edit {turn}", texts[row["output"]], texts[row["input"]], {"instruction": row["instruction"]}, files,
            chain=number if chained else "", step=turn if chained else 0,
        )  # fmt: skip

    def case(self, entry: Entry) -> Case:
        """Picture, mask (of a session the union of all), and the picture that people took for right."""
        read = [read_picture(entry.files[part]) for part in ("picture", "truth")]
        picture, truth = (one.image for one in read)
        masks = [path for part, path in entry.files.items() if part.startswith("mask ")] or [entry.files["mask"]]
        whole = Image.new("L", picture.size)
        for path in masks:
            mask = _hole(path)
            if mask.size != picture.size:
                raise BadSuite(
                    f"the mask {str(path)!r} is {mask.width} x {mask.height} and its picture is {picture.width} x "
                    f"{picture.height}: take MagicBrush's own."
                )
            whole = ImageChops.lighter(whole, mask)
        return Case(entry, picture, whole, truth, notes_of(*read))

    def judge(self, cases: Sequence[Case], edits: Sequence[Image.Image]) -> dict[str, list[float]]:
        """The published distances to people's answer; an edit of another size is scaled to it, as there."""
        found: dict[str, list[float]] = {"l1": [], "l2": []}
        for case, edit in zip(cases, edits, strict=True):
            if case.truth is None:
                found["l1"].append(float("nan"))
                found["l2"].append(float("nan"))
                continue
            scaled = edit if edit.size == case.truth.size else edit.resize(case.truth.size)
            apart = (np.asarray(scaled, np.float32) - np.asarray(case.truth, np.float32)) / 255
            found["l1"].append(float(np.abs(apart).mean()))
            found["l2"].append(float(np.square(apart).mean()))
        return found


def _hole(path: Path) -> Image.Image:
    """A mask, white where the published one is transparent; one in black and white is taken as it is."""
    mask = read_mask(path)
    with Image.open(path) as image:
        if image.mode not in ("1", "L", "LA", "RGBA", "PA") and "transparency" not in image.info:
            raise BadSuite(
                f"the mask {str(path)!r} has no transparent part, which marks the edit: take MagicBrush's own."
            )
    return mask


def _check_turn(row: Any, texts: Any, called: str) -> None:
    """Refuses a turn that lacks a name, its instruction, or what its pictures show."""
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _FIELDS):
        raise BadSuite(f"{called} is {reprlib.repr(row)}, expected {', '.join(_FIELDS)}, each text.")
    for key in ("input", "output"):
        if not isinstance(texts, dict) or not isinstance(texts.get(row[key]), str):
            raise BadSuite(f"{called}: the global_descriptions.json beside it does not say what {row[key]!r} shows.")
