"""Chains of edits: a scene is asked to change and to change back, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from random import Random

from PIL import Image, ImageChops

from retouch.diorama.pairs import KINDS, EditPair
from retouch.diorama.scene import ANIMALS, CHOICES, random_scene
from retouch.diorama.textures import SIDE
from retouch.errors import BadParameter

CHAINED = ("colour", "accessory", "pose", "subject")
"""The attributes that a chain can ask for: each leaves much of the picture as it is."""


def edit_chain(kinds: Sequence[str], seed: int, edits: int, side: int = SIDE) -> list[EditPair]:
    """Pairs in a row, each from where the one before led to: there and back for the first kind, then for the next.

    Every way there is to another value than the first scene has, so that after every second pair the scene is the
    first again. A longer chain begins as a shorter one.

    Args:
        kinds: some of :data:`CHAINED`.
        seed: of the scene, an animal that wears nothing; and of what is asked.

    Raises:
        BadParameter: for another kind or none, no edit, or a side at which nothing is painted.
    """
    for kind in kinds:
        if kind not in CHAINED:
            raise BadParameter(f"there are no chains of {kind!r}: a chain asks for {', '.join(CHAINED)}.")
    if not kinds or edits < 1:
        raise BadParameter(f"a chain of {len(kinds)} kinds and {edits} edits was asked for, expected at least 1 each.")
    rng = Random(seed * 101 + len(KINDS))  # no pair draws from this one
    first = random_scene(seed, subject=rng.choice(ANIMALS), accessory=None, style="photo")
    found: list[EditPair] = []
    for number in range(edits):
        kind = kinds[number // 2 % len(kinds)]
        if number % 2:
            found.append(EditPair(kind, found[-1].target, first, side))
            continue
        among = ANIMALS if kind == "subject" else CHOICES[kind]
        values = [value for value in among if value != getattr(first, kind)]
        found.append(EditPair(kind, first, first.replace(**{kind: rng.choice(values)}), side))
    return found


def changed_by(chain: Sequence[EditPair]) -> Image.Image:
    """Where the picture may change in a chain, L, 255 inside: wherever any of its edits may change it."""
    return reduce(ImageChops.lighter, (pair.mask for pair in chain))
