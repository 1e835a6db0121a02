"""A part of a large picture, cut out to be edited at the model's full resolution, and put back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter
from retouch.masks.find import by_words
from retouch.masks.presence import doubt
from retouch.picture import Picture, fit, opened_mask, to_array
from retouch.prepare import opened
from retouch.request import CONTEXT, Request, size_of

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, the last two just outside."""
_WORTH = 0.6  # a part of more than this share of the picture is not cut out


@dataclass(frozen=True)
class Cut:
    """Where an edit takes place.

    Attributes:
        whole: the picture.
        box: the part of it that is edited.
        mask: L, the part's size: where it may change; None for everywhere.
    """

    whole: Image.Image
    box: Box
    mask: Image.Image | None

    @property
    def part(self) -> Image.Image:
        """What is edited."""
        return self.whole if self.box == (0, 0, *self.whole.size) else self.whole.crop(self.box)

    def put_back(self, part: Image.Image, around: Image.Image | None = None) -> Image.Image:
        """The picture with the part in its place; ``around`` is the rest, the picture's own for None."""
        if self.box == (0, 0, *self.whole.size):
            return part
        out = (self.whole if around is None else around).copy()
        out.paste(part, self.box)
        return out


def cut(model: Backbone, request: Request) -> tuple[Request, Cut]:
    """The request for the part of the picture that its mask or region is about, and where that part is.

    Around the mask, or the region, lies a square with ``context`` of their longer side on every side, at least as
    large as the model's own pictures. It is cut out where that makes the picture finer to the model: where the whole
    picture would be made smaller, and the square is clearly a part of it.

    Raises:
        BadPicture: when picture or mask cannot be read.
        BadParameter: for a region outside the picture, or one beside a fit, which is for the whole picture.
    """
    picture = opened(request.image)
    size = picture.image.size
    notes, mask, foreground = list(picture.notes), None, None
    if request.mask is not None:
        mask, said = _plane(request.mask, size, "mask")
        notes += said
    if request.foreground is not None:
        foreground, said = _plane(request.foreground, size, "foreground")
        notes += said
    around = None if mask is None else mask.point(lambda value: 255 * (value > 0)).getbbox()
    if request.region is not None:
        if request.fit is not None:
            raise BadParameter("region is given beside a fit, which was made for the whole picture: leave it out.")
        around, said = _region(model, request, picture.image)
        notes += said
        mask, around = _within(mask, around, size)
    if around is None and request.context != CONTEXT:
        notes.append("context has no effect: there is neither a mask nor a region.")
    box: Box = (0, 0, *size)
    if around is not None and request.fit is None and not request.fitting:
        box = _square(around, size, size_of(model, request) or model.native_side, request.context)
    if box != (0, 0, *size):
        at = "the model's own size" if request.size is None else f"the size {request.size}"
        notes.append(
            f"{box[2] - box[0]} x {box[3] - box[1]} pixels around {'the mask' if request.region is None else 'the '}"
            f"{'' if request.region is None else 'region'} are edited, at {at}; context widens them."
        )
    planes = [None if plane is None else plane.crop(box) for plane in (mask, foreground)]
    where = Cut(picture.image, box, planes[0])
    part = Picture(where.part, tuple(notes), picture.path)
    given = [None if plane is None else Picture(plane) for plane in planes]
    return replace(request, image=part, mask=given[0], foreground=given[1]), where


def _plane(mask: object, size: tuple[int, int], name: str) -> tuple[Image.Image, list[str]]:
    """A mask at the picture's size, and what is said of it."""
    read = opened_mask(mask)  # type: ignore[arg-type]
    notes = list(read.notes)
    if read.image.size == size:
        return read.image, notes
    given, expected = (f"{width} x {height}" for width, height in (read.image.size, size))
    notes.append(f"the {name} is {given}, the picture {expected}: the {name} is stretched to the picture.")
    return read.image.resize(size, Image.Resampling.BILINEAR), notes


def _within(mask: Image.Image | None, around: Box, size: tuple[int, int]) -> tuple[Image.Image, Box]:
    """A mask, or everything, within a region alone, and where that is.

    Raises:
        BadParameter: where nothing of the mask lies in the region.
    """
    inside = Image.new("L", size)
    inside.paste(255 if mask is None else mask.crop(around), around)
    box = inside.point(lambda value: 255 * (value > 0)).getbbox()
    if box is None:
        raise BadParameter("the mask marks nothing within the region: leave one of them out, or let them overlap.")
    return inside, around


def _region(model: Backbone, request: Request, picture: Image.Image) -> tuple[Box, list[str]]:
    """The region in whole pixels; a word is looked for in the picture, and doubt that it is there said."""
    region = request.region
    if isinstance(region, str):
        fitted = fit(picture, model.native_side, model.pixel_multiple)
        latents = model.encode(torch.from_numpy(to_array(fitted.image))[None])
        prompt = request.source if request.source and region in request.source else None
        found = by_words(model, latents, fitted, region, prompt, "auto").point(lambda value: 255 * (value > 127))
        box = found.getbbox()
        if box is None:
            raise BadParameter(f"region is {region!r}, which was not found in the picture: give it as four numbers.")
        sentence = doubt(model, latents, prompt or region, region)
        return box, [sentence] if sentence else []
    assert region is not None
    left, top, right, bottom = (int(np.floor(v)) if i < 2 else int(np.ceil(v)) for i, v in enumerate(region))
    width, height = picture.size
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise BadParameter(
            f"region is {left},{top},{right},{bottom}, expected left < right and top < bottom within the picture, "
            f"which is {width} x {height}."
        )
    return (left, top, right, bottom), []


def _square(around: Box, size: tuple[int, int], native: int, context: float) -> Box:
    """The square to edit; the whole picture where that is as good."""
    width, height = size
    longer = max(around[2] - around[0], around[3] - around[1])
    side = max(native, round(longer * (1 + 2 * context)))
    wide, high = min(side, width), min(side, height)
    if wide * high > _WORTH * width * height or width * height <= native**2:
        return 0, 0, width, height
    left = min(max(0, (around[0] + around[2] - wide) // 2), width - wide)
    top = min(max(0, (around[1] + around[3] - high) // 2), height - high)
    return left, top, left + wide, top + high
