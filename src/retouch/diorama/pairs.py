"""Edit pairs: two scenes that differ in what is asked and agree in everything else, down to the last brush stroke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retouch.diorama.captions import caption
from retouch.diorama.painter import paint
from retouch.diorama.scene import ACCESSORIES, ANIMALS, CHOICES, OBJECTS, Scene, has, random_scene
from retouch.diorama.textures import SIDE, factor_of
from retouch.errors import BadParameter

KINDS = (
    "subject",
    "colour",
    "pose",
    "place",
    "accessory",
    "remove accessory",
    "style",
    "direction",
    "variant",
    "subject and place",
)
"""What an edit asks for: an attribute to change, an accessory to add or to remove, or two attributes at once."""

_VISIBLE = 6  # of 255: the smallest difference that counts as change
_MARGIN = 2  # pixels of a picture of 128×128 by which the region of change grows


@dataclass(frozen=True)
class EditPair:
    """A picture, what is asked of it, and the true answer, painted at ``side``; see :func:`retouch.diorama.paint`."""

    kind: str
    source: Scene
    target: Scene
    side: int = SIDE

    def __post_init__(self) -> None:
        factor_of(self.side)

    def at(self, side: int) -> EditPair:
        """The same pair at another side.

        Args:
            side: in pixels, one of :data:`retouch.diorama.textures.SIDES`.
        """
        return replace(self, side=side)

    @property
    def source_prompt(self) -> str:
        """The full caption of the picture; it names the direction when that is what changes."""
        return caption(self.source, direction=self.kind == "direction")

    @property
    def target_prompt(self) -> str:
        """The full caption of the answer."""
        return caption(self.target, direction=self.kind == "direction")

    @cached_property
    def picture(self) -> Image.Image:
        """The picture to edit, RGB."""
        return paint(self.source, self.side)[0]

    @cached_property
    def truth(self) -> Image.Image:
        """The true edited picture: the target scene painted with the source's seed, RGB."""
        return paint(self.target, self.side)[0]

    @cached_property
    def mask(self) -> Image.Image:
        """Where the picture may change, L, 255 inside: where the truth visibly differs from it, grown a little."""
        reach = 2 * _MARGIN * factor_of(self.side) + 1
        changed = ((self._difference > _VISIBLE) * 255).astype(np.uint8)
        return Image.fromarray(cv2.dilate(changed, np.ones((reach, reach), np.uint8)))

    @cached_property
    def changed(self) -> Image.Image:
        """Where the truth differs from the picture at all, L, 255 there: all other pixels are the same numbers."""
        return Image.fromarray(((self._difference > 0) * 255).astype(np.uint8))

    @property
    def _difference(self) -> NDArray[np.int16]:
        difference: NDArray[np.int16] = np.abs(np.asarray(self.picture, np.int16) - np.asarray(self.truth, np.int16))
        return difference.max(2)


def edit_pair(kind: str, seed: int, side: int = SIDE) -> EditPair:
    """The pair of this kind that belongs to ``seed``, painted at ``side``; the prompts are the same at every side.

    Args:
        kind: one of :data:`KINDS`.
        seed: from 0 on.
        side: in pixels, one of :data:`retouch.diorama.textures.SIDES`.

    Raises:
        BadParameter: when there is no such kind, or nothing is painted at that side.
    """
    if kind not in KINDS:
        raise BadParameter(f"there is no edit kind {kind!r}; the kinds are: {', '.join(KINDS)}.")
    rng = Random(seed * 101 + KINDS.index(kind))
    attribute, _, second = kind.removeprefix("remove ").partition(" and ")
    fixed: dict[str, object] = {"style": "photo"} if kind != "style" or rng.random() < 0.75 else {}
    if attribute in ("pose", "accessory"):
        fixed["subject"] = rng.choice(ANIMALS)
    elif attribute == "direction":
        fixed["subject"] = rng.choice((*ANIMALS, "car"))
    elif attribute == "variant":
        fixed["subject"] = "cake"
    if attribute == "accessory":
        fixed["accessory"] = rng.choice(ACCESSORIES) if kind.startswith("remove") else None
    source = random_scene(seed, **fixed)
    if kind == "remove accessory":
        return EditPair(kind, source, source.replace(accessory=None), side)
    values = CHOICES[attribute]
    if attribute == "subject":
        values = ANIMALS if source.subject in ANIMALS else OBJECTS
    changes = {attribute: rng.choice([value for value in values if value != getattr(source, attribute)])}
    if second:
        changes[second] = rng.choice([value for value in CHOICES[second] if value != getattr(source, second)])
    return EditPair(kind, source, source.replace(**changes), side)


def edit_pairs(kind: str, count: int, start: int = 0, side: int = SIDE) -> Iterator[EditPair]:
    """``count`` pairs of this kind from seeds ``start`` on; held out as long as seeds are below the training's.

    Args:
        kind, side: as for :func:`edit_pair`.
        count, start: how many, and the first one's seed.
    """
    for seed in range(start, start + count):
        yield edit_pair(kind, seed, side)


def asked_and_kept(pair: EditPair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that the edit asks for, and those the two scenes share and both have or both lack."""
    asked = tuple(name for name in CHOICES if getattr(pair.source, name) != getattr(pair.target, name))
    kept = tuple(name for name in CHOICES if name not in asked and has(name, pair.source.subject))
    return asked, kept
