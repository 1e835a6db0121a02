"""Attributes as numbers, captions as what they claim, and the same scene with one attribute changed."""

from __future__ import annotations

from random import Random

from retouch.diorama.captions import caption, parse
from retouch.diorama.scene import ANIMALS, CHOICES, OBJECTS, Scene, attributes

ATTRIBUTES = tuple(CHOICES)
VALUES: dict[str, tuple[str, ...]] = {
    name: (*values, "none") if name in ("pose", "accessory", "direction", "variant") else values
    for name, values in CHOICES.items()
}
"""Every value an attribute can take, "none" last where a scene can be without it."""


def labels(scene: Scene) -> list[int]:
    """The scene's values as indices into :data:`VALUES`, in the order of :data:`ATTRIBUTES`."""
    values = attributes(scene)
    return [VALUES[name].index(values[name]) for name in ATTRIBUTES]


def claims(text: str) -> list[int]:
    """What the caption says, as :func:`labels`, -1 where it is silent."""
    parts = parse(text).parts
    return [VALUES[name].index(parts[name]) if name in parts else -1 for name in ATTRIBUTES]


def swapped(scene: Scene, attribute: str, random: Random) -> Scene:
    """The scene with another value of ``attribute``, never "none"; animals become other animals, objects objects."""
    current = getattr(scene, attribute)
    pool = CHOICES[attribute]
    if attribute == "subject":
        pool = ANIMALS if scene.subject in ANIMALS else OBJECTS
    return scene.replace(**{attribute: random.choice([value for value in pool if value != current])})


def wrong_caption(scene: Scene, text: str, wording: int, attribute: str, random: Random) -> str:
    """A caption of the scene with ``attribute`` swapped, in the words that ``wording`` gave ``text``."""
    other = swapped(scene, attribute, random)
    wrong = caption(other, Random(wording))
    return wrong if wrong != text else caption(other)


def wrongable(scene: Scene, text: str) -> list[str]:
    """The attributes whose swap makes ``text`` false: those it names, and an accessory that is not there."""
    named = [name for name in ATTRIBUTES if name in parse(text).parts]
    return [*named, "accessory"] if scene.subject in ANIMALS and scene.accessory is None else named
