"""What a painted picture shows: the scene, its attributes, and how scenes are drawn from a seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any

from retouch.errors import BadParameter

ANIMALS = ("cat", "dog", "rabbit", "bird", "horse", "giraffe")
OBJECTS = ("cake", "ball", "house", "car", "tree")
SUBJECTS = ANIMALS + OBJECTS
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
POSES = ("standing", "sitting", "jumping")
PLACES = ("beach", "forest", "snow", "desert", "city at night", "meadow")
ACCESSORIES = ("hat", "scarf")
STYLES = ("photo", "pencil sketch", "oil painting")
DIRECTIONS = ("left", "right")
VARIANTS = ("round", "square")

CHOICES: dict[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "colour": COLOURS,
    "pose": POSES,
    "place": PLACES,
    "accessory": ACCESSORIES,
    "style": STYLES,
    "direction": DIRECTIONS,
    "variant": VARIANTS,
}
"""Every attribute and the values it can take; an attribute a scene does not have reads "none"."""

TRAINING_SEEDS_FROM = 2**32
"""Scenes with this seed or a higher one are for training only; lower seeds are held out, and everybody's to use."""


def has(attribute: str, subject: str) -> bool:
    """Whether pictures of ``subject`` have ``attribute`` at all: objects have no pose, only cakes come in variants."""
    if attribute in ("pose", "accessory"):
        return subject in ANIMALS
    if attribute == "direction":
        return subject in ANIMALS or subject == "car"
    if attribute == "variant":
        return subject == "cake"
    return True


@dataclass(frozen=True)
class Scene:
    """One picture of the painted world, complete: the same scene is always the same picture.

    ``position`` is the subject's centre as a fraction of the width (0.43..0.57), ``size`` its scale (0.9..1.1).
    ``seed`` fixes the rest of the picture: horizon, decorations, textures. None of this depends on the other
    attributes, so two scenes that share a seed, position and size differ in exactly what was changed. Objects have no
    pose (None); a direction or variant that the subject needs and that is not given is "right", or "round".
    """

    subject: str
    colour: str
    pose: str | None
    place: str
    accessory: str | None = None
    style: str = "photo"
    variant: str | None = None
    direction: str | None = None
    position: float = 0.5
    size: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for attribute, usual in (("direction", "right"), ("variant", "round")):
            if getattr(self, attribute) is None and has(attribute, self.subject):
                object.__setattr__(self, attribute, usual)
        for attribute, choices in CHOICES.items():
            value = getattr(self, attribute)
            if value is None and (attribute == "accessory" or not has(attribute, self.subject)):
                continue
            if value not in choices:
                raise BadParameter(f"{attribute} is {value!r}, expected one of {', '.join(choices)}.")
            if not has(attribute, self.subject):
                raise BadParameter(f"a {self.subject} has no {attribute}: leave {attribute} out of the scene.")
        if not 0.4 <= self.position <= 0.6:
            raise BadParameter(f"position is {self.position}, expected a fraction of the width in 0.4..0.6.")
        if not 0.85 <= self.size <= 1.15:
            raise BadParameter(f"size is {self.size}, expected a scale in 0.85..1.15.")
        if not 0 <= self.seed < 2**63:
            raise BadParameter(f"seed is {self.seed}, expected a whole number in 0..2^63-1.")

    def replace(self, **changes: Any) -> Scene:
        """The scene with some attributes changed; those the new subject cannot have go, those it needs appear.

        Args:
            changes: attributes by name.
        """
        values = {**dataclasses.asdict(self), **changes}
        subject, needed = values["subject"], Random(self.seed * 13 + 7)
        for attribute in ("pose", "direction", "variant", "accessory"):
            value = needed.choice(CHOICES[attribute])  # drawn always, so that no draw depends on another attribute
            if not has(attribute, subject):
                values[attribute] = None
            elif values[attribute] is None and attribute != "accessory":
                values[attribute] = value
        return Scene(**values)


def attributes(scene: Scene) -> dict[str, str]:
    """Every attribute of the scene by name, "none" where it has none."""
    return {name: getattr(scene, name) or "none" for name in CHOICES}


def random_scene(seed: int, **fixed: Any) -> Scene:
    """A scene drawn from ``seed``; attributes given by name are kept as given (``accessory=None`` for no accessory).

    Args:
        seed: from 0 on.
        fixed: attributes by name.
    """
    random = Random(seed * 31 + 5)
    position, size = random.uniform(0.44, 0.56), random.uniform(0.92, 1.06)
    direction = random.choice(DIRECTIONS)
    subject = random.choice(ANIMALS if random.random() < 0.78 else OBJECTS)
    colour, place, pose, variant = (random.choice(CHOICES[name]) for name in ("colour", "place", "pose", "variant"))
    accessory = random.choice(ACCESSORIES) if random.random() < 0.45 else None
    style = random.choice(STYLES[1:]) if random.random() < 0.3 else "photo"
    drawn = {
        "subject": subject, "colour": colour, "pose": pose, "place": place, "accessory": accessory,
        "style": style, "variant": variant, "direction": direction, "position": position, "size": size, "seed": seed,
    }  # fmt: skip
    values = {**drawn, **fixed}
    for attribute in ("pose", "accessory", "direction", "variant"):
        if attribute not in fixed and not has(attribute, values["subject"]):
            values[attribute] = None
    return Scene(**values)
