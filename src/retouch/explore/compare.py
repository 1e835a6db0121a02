"""One edit by several methods, side by side: a contact sheet and a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any

from PIL import Image, ImageOps

from retouch import notebook
from retouch.arguments import check_kept
from retouch.auto.kind import kind_named
from retouch.editor import Editor, EditResult
from retouch.errors import BadParameter, RetouchError, told
from retouch.explore.clip_score import ClipScorer
from retouch.explore.preservation import psnr, ssim
from retouch.idle import notes_of_many
from retouch.parameters import parameters_of, read_settings
from retouch.parts.inversions import Inversions
from retouch.picture import Picture, from_image, read_mask, read_picture
from retouch.quantity import DECIBELS, shown
from retouch.sheet import contact_sheet, in_rows, labelled, sheet_size, tile_size
from retouch.weights import plain

_SIDE, _LINES = 192, 3  # of a tile in the sheet


@dataclass(frozen=True)
class Compared:
    """One method's edit, or why there is none.

    Attributes:
        seconds, evaluations: what it cost here; an inversion that an earlier method left is not counted again.
        clip_score: cosine × 100 of the edit and the target prompt; None without a CLIP model.
        psnr, ssim: against the input, outside the mask where there is one; PSNR is 100 where no pixel differs.
    """

    method: str
    result: EditResult | None = None
    error: str = ""
    seconds: float = 0.0
    evaluations: int = 0
    clip_score: float | None = None
    psnr: float | None = None
    ssim: float | None = None

    def figures(self) -> dict[str, Any]:
        """The row of the table, JSON-ready."""
        names = ("method", "seconds", "evaluations", "clip_score", "psnr", "ssim", "error")
        values = {name: getattr(self, name) for name in names}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


@dataclass(frozen=True)
class Comparison:
    """All methods' edits of one picture.

    Attributes:
        shared: network evaluations saved by sharing inversions.
        input_clip_score: the input's against the target prompt, to compare the edits' with.
        notes: what was done to the input or cut off the prompts.
    """

    picture: Image.Image
    source: str | None
    target: str
    rows: Sequence[Compared]
    shared: int
    input_clip_score: float | None
    notes: tuple[str, ...]

    def sheet(self, columns: int = 5, side: int = _SIDE) -> Image.Image:
        """The input and every edit, labelled; a method that failed has an empty tile with its reason.

        Args:
            columns: tiles in a row.
            side: of a tile in pixels.
        """
        tiles = [labelled(self.picture, f"input\n{self.source or ''}", side, _LINES)]
        for row in self.rows:
            if row.result is None:
                text, image = f"{row.method} failed\n{row.error}", Image.new("RGB", self.picture.size, "#dddddd")
            else:
                text, image = f"{row.method}\n{self._measured(row)}", row.result.image
            tiles.append(labelled(image, text, side, _LINES))
        return contact_sheet(in_rows(tiles, min(columns, len(tiles))))

    @staticmethod
    def _measured(row: Compared) -> str:
        score = "" if row.clip_score is None else f"CLIP {row.clip_score:.1f}, "
        return f"{score}PSNR {shown(row.psnr, DECIBELS, with_unit=True)}\n{row.seconds:.1f} s"

    def recipe(self) -> dict[str, Any]:
        """What the sheet's file says about it: every edit's recipe."""
        return {"compare": [row.result.recipe for row in self.rows if row.result]}

    def _repr_html_(self) -> str:
        """For a notebook: the sheet, its table, notes and the recipes."""
        return notebook.block(
            notebook.picture(self.sheet(), f"contact sheet of {len(self.rows)} methods", "max-width:100%;"),
            notebook.table([row.figures() for row in self.rows]), notebook.notes(self.notes),
            notebook.folded("recipes", self.recipe()),
        )  # fmt: skip

    def _repr_png_(self) -> bytes:
        """For a notebook that shows no HTML."""
        return notebook.png(self.sheet())


def size_of_sheet(methods: int, columns: int = 5, side: int = _SIDE) -> tuple[int, int]:
    """Of :meth:`Comparison.sheet` (width, height)."""
    shown, columns = methods + 1, min(columns, methods + 1)
    return sheet_size(-(-shown // columns), columns, tile_size(side, _LINES))


def compare(
    editor: Editor,
    image: str | PathLike[str] | Image.Image | Picture,
    *,
    source: str | None,
    target: str,
    methods: Sequence[str],
    negative_prompt: str | None = None,
    settings: Mapping[str, Any] | None = None,
    mask: str | PathLike[str] | Image.Image | Picture | None = None,
    keep: str = "auto",
    strength: float | None = None,
    size: int | None = None,
    seed: int = 0,
    scorer: ClipScorer | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Edits one picture by several methods that share what inversions they can; what fails is recorded, others go on.

    Args:
        editor, image, source, target: the model, the picture, what it shows and what it should show.
        methods: names; see :func:`retouch.runs.variants.chosen_methods` for "all".
        negative_prompt, mask, keep, strength, size, seed, settings: for every method that has them.
        scorer: the CLIP model that scores; None leaves the score out.
        progress: called with (steps done, all steps, the method at work).

    Raises:
        BadParameter, BadPicture: for an unknown method, a setting that none has, or what cannot be read.
    """
    check_kept(keep, strength, size)
    own = own_settings(methods, dict(settings or {}))
    if not isinstance(image, Picture):
        image = from_image(image) if isinstance(image, Image.Image) else read_picture(image)
    outside = None if mask is None else ImageOps.invert(read_mask(mask).resize(image.image.size))

    def figures(edit: Image.Image) -> tuple[float | None, float, float]:
        score = None if scorer is None else scorer.score(edit, plain(target))
        return score, psnr(image.image, edit, outside), ssim(image.image, edit, outside)

    totals = {name: _steps(editor, name, source, target, own[name]) for name in methods}
    done, rows, inversions = 0, list[Compared](), Inversions()
    for name in methods:

        def advance(steps: int, total: int, before: int = done, name: str = name) -> None:
            totals[name] = max(totals[name], total)  # that of auto grows
            if progress:
                progress(before + steps, sum(totals.values()), name)

        edit = partial(
            editor.edit, image, source=source, target=target, negative_prompt=negative_prompt, method=name, mask=mask,
            keep=keep, size=size, seed=seed, progress=advance, inversions=inversions,
            **{"strength": strength, **own[name]},
        )  # fmt: skip
        rows.append(_compared(name, edit, figures))
        done += totals[name]
        if progress:
            progress(done, sum(totals.values()), name)
    notes = notes_of_many(row.result.notes for row in rows if row.result)
    score = None if scorer is None else scorer.score(image.image, plain(target))
    return Comparison(image.image, source, target, rows, inversions.shared, score, notes)


def _compared(
    name: str, edit: Callable[[], EditResult], figures: Callable[[Image.Image], tuple[float | None, float, float]]
) -> Compared:
    began = time.monotonic()
    try:
        result = edit()
        return Compared(name, result, "", result.seconds, result.evaluations, *figures(result.image))
    except Exception as error:  # one method's fault must not take the others' results away
        reason = told(error)
    return Compared(name, error=reason, seconds=time.monotonic() - began)


def own_settings(names: Sequence[str], settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For every method those of ``settings`` that it has.

    Raises:
        BadParameter: for a setting that none has, or a value outside its range.
    """
    own = {}
    for name in names:
        kind = kind_named(name)
        known = {p.name for p in parameters_of(kind)}
        own[name] = read_settings(kind, {key: value for key, value in settings.items() if key in known}, name)
    unused = set(settings) - {key for values in own.values() for key in values}
    if unused:
        raise BadParameter(f"none of the methods {', '.join(names)} has a parameter {sorted(unused)[0]!r}.")
    return own


def _steps(editor: Editor, name: str, source: str | None, target: str, settings: Mapping[str, Any]) -> int:
    try:
        return editor.method_for(name, source, target, settings).steps()
    except RetouchError:
        return 0  # it will fail with its reason when its turn comes
