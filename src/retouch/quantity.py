"""What a figure of an edit is: its name, its unit, which values are better, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "zero"]


@dataclass(frozen=True)
class Quantity:
    """A quantity that edits are compared by; measures are quantities, and so is what a suite says of an edit itself.

    Attributes:
        name: as on the command line and in a run's table: a plain word, followed by ``.inside`` or ``.outside`` where
            it is of a part of the picture.
        title: the heading of its column.
        unit: "" for a plain number, "%" for a share: values in 0..1, shown as per cent.
        better: which values are: "higher", "lower", or "zero" for the nearest to 0.
        help: what it is, in a line.
        tells: "kept" (how much of the picture was kept), "changed" (how much of what was asked was done), or "" for
            neither; a report sets the one against the other.
    """

    name: str
    title: str
    unit: str = ""
    better: Better = "higher"
    help: str = ""
    tells: Literal["kept", "changed", ""] = ""

    def about(self, model: str = "") -> dict[str, str]:
        """What a run keeps of it beside the values, and ``model``, which looked at the pictures."""
        return {
            "title": self.title, "unit": self.unit, "better": self.better, "model": model, "help": self.help,
            "tells": self.tells,
        }  # fmt: skip
