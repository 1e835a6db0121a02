"""What a figure of an edit is: its name, its unit, which values are better, and what it tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["higher", "lower", "zero", "one"]

DECIBELS = "dB"
IDENTICAL = 100.0
"""In decibels: no pixel differs, where the formula of PSNR gives infinity. A number that means, plots, JSON and tables
can hold, shown as :data:`IDENTICAL_WORD`."""
MOST_DIFFERENT = 99.99
"""In decibels: what differs at all has this at most, however little it is, so that 100 is said of nothing else."""
IDENTICAL_WORD = "identical"

_IDEALS = {"zero": 0.0, "one": 1.0}


@dataclass(frozen=True)
class Quantity:
    """A quantity that edits are compared by; measures are quantities, and so is what a suite says of an edit itself.

    Attributes:
        name: as on the command line and in a run's table: a plain word, followed by ``.inside`` or ``.outside`` where
            it is of a part of the picture.
        title: the heading of its column.
        unit: "" for a plain number; "%" for a share: values in 0..1, shown as per cent; "dB" for a ratio of signal to
            noise: :data:`IDENTICAL` (100) where nothing differs, :data:`MOST_DIFFERENT` (99.99) at most otherwise.
        better: which values are: "higher", "lower", or "zero" and "one" for the nearest to 0 and to 1.
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
        """What a run keeps of it beside the values, and ``model``, which looked at the pictures.

        Args:
            model: its name; "" for none.
        """
        return {
            "title": self.title, "unit": self.unit, "better": self.better, "model": model, "help": self.help,
            "tells": self.tells,
        }  # fmt: skip


def ideal(better: str) -> float | None:
    """The number that values should be near, where they should be near one."""
    return _IDEALS.get(better)


def rank(value: Any, better: str) -> Any:
    """A number that is higher for better values, of a number or of an array or column of them."""
    nearest = ideal(better)
    return -abs(value - nearest) if nearest is not None else -value if better == "lower" else value


def spoken(better: str) -> str:
    """Which values are better, in words: "higher", "lower", "near 0", "near 1"."""
    nearest = ideal(better)
    return better if nearest is None else f"near {nearest:.0f}"


def decibels(squared_error: float) -> float:
    """10 log10(1 / a mean squared error of values in 0..1) in dB, as PSNR is given everywhere.

    >>> decibels(0.0), decibels(1e-12), round(decibels(0.01), 1)
    (100.0, 99.99, 20.0)
    """
    if math.isnan(squared_error):
        return squared_error
    return IDENTICAL if squared_error == 0 else min(MOST_DIFFERENT, -10 * math.log10(squared_error))


def shown(value: float | None, unit: str = "", decimals: int = 1, *, with_unit: bool = False) -> str:
    """A value as people read it: a dash for none, per cent of a share, a word for identical pictures.

    >>> shown(0.5, "%"), shown(27.16, "dB", with_unit=True), shown(100.0, "dB", with_unit=True), shown(float("nan"))
    ('50.0', '27.2 dB', 'identical', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if unit == DECIBELS and value >= IDENTICAL:
        return IDENTICAL_WORD
    text = f"{value * (100 if unit == '%' else 1):.{decimals}f}"
    return f"{text} {unit}" if with_unit and unit else text
