"""The subjects: six animals in three poses, five objects, a hat and a scarf, drawn with the brush in subject units."""

from __future__ import annotations

from retouch.diorama.anatomy import ANATOMY
from retouch.diorama.bird import bird
from retouch.diorama.brush import Brush, Colour
from retouch.diorama.objects import OBJECTS
from retouch.diorama.quadrupeds import quadruped

SIZES = {
    "cat": 1.06, "dog": 0.95, "rabbit": 1.16, "bird": 1.06, "horse": 0.86, "giraffe": 0.80,
    "tree": 0.98, "house": 0.86, "car": 0.74, "cake": 0.86, "ball": 0.86,
}  # fmt: skip
"""How large a subject unit is for each subject, so that all fill the picture alike."""


def draw_subject(
    brush: Brush, subject: str, colour: Colour, pose: str | None, accessory: str | None, variant: str | None
) -> None:
    """Draws the subject standing on the origin."""
    if subject == "bird":
        bird(brush, colour, pose, accessory)
    elif subject in ANATOMY:
        quadruped(brush, subject, colour, pose, accessory)
    else:
        OBJECTS[subject](brush, colour, variant)
