"""A toy suite: a grey picture with a square that should get another colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from retouch.quantity import Quantity
from retouch.suites.suite import Case, Entry, Suite, check_entries, option

_COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220)}
_SIDE, _SQUARE = 128, (40, 40, 88, 88)


@dataclass(eq=False)
class Toy(Suite):
    """Squares that are grey and should be coloured."""

    name = "toy"
    summary = "grey squares that should be coloured"
    verdicts = (
        Quantity("coloured", "square is coloured", "%", "higher", "share of the way to the asked colour", "changed"),
    )
    published = {"sdedit": {"strength": 0.25}}

    squares: int = option("how many squares", default=3, low=1)
    colour: str = option("the asked colour", default="red", choices=tuple(_COLOURS))

    def __post_init__(self) -> None:
        self.entries = [
            Entry(f"square-{i}", self.colour, f"a {self.colour} square", "a grey square", {"grey": 60 + 20 * (i % 8)})
            for i in range(self.squares)
        ]
        check_entries(self.entries, "the suite toy")
        self.identity = {"suite": self.name, "edits": self.squares, "colour": self.colour}

    def case(self, entry: Entry) -> Case:
        """Draws the picture, where it may change, and the right answer."""
        grey = (entry.about["grey"],) * 3
        mask = Image.new("L", (_SIDE, _SIDE))
        mask.paste(255, _SQUARE)
        return Case(entry, _drawn(grey), mask, _drawn(_COLOURS[self.colour]))

    def judge(self, cases: Sequence[Case], edits: Sequence[Image.Image]) -> dict[str, list[float]]:
        """How far the square came from its grey to the asked colour, 0..1."""
        return {"coloured": [_share(case, edit) for case, edit in zip(cases, edits, strict=True)]}


def _drawn(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (_SIDE, _SIDE), (230, 230, 230))
    image.paste(colour, _SQUARE)
    return image


def _share(case: Case, edit: Image.Image) -> float:
    begin, end, at = (np.asarray(one.crop(_SQUARE), float).mean((0, 1)) for one in (case.picture, case.truth, edit))
    return float(np.clip((at - begin) @ (end - begin) / ((end - begin) @ (end - begin)), 0, 1))
