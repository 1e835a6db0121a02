"""Diorama: a procedurally painted world whose every picture is known exactly, and the small model trained on it.

>>> from retouch.diorama import edit_pair, paint, scene_for
>>> picture, mask = paint(scene_for("a red cat sitting on a beach", seed=3))
"""

from retouch.diorama.captions import Parsed, caption, parse, scene_for
from retouch.diorama.painter import paint
from retouch.diorama.pairs import EditPair, edit_pair, edit_pairs
from retouch.diorama.scene import Scene, random_scene

__all__ = [
    "EditPair",
    "Parsed",
    "Scene",
    "caption",
    "edit_pair",
    "edit_pairs",
    "paint",
    "parse",
    "random_scene",
    "scene_for",
]
