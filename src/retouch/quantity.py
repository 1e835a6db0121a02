"""What a figure of an edit is: its name, its unit, which values are better, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
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


def mean_of(values: Sequence[float]) -> float:
    """The mean of those that there are; NaN of none.

    >>> mean_of([1.0, 2.0, float("nan")])
    1.5
    """
    there = [value for value in values if not math.isnan(value)]
    return fmean(there) if there else math.nan


def identical(values: Sequence[float], unit: str = DECIBELS) -> int:
    """How many values say that no pixel differs, which decibels alone do.

    A mean that holds some of them is of a convention (:data:`IDENTICAL`) and of measurements: their number belongs
    beside it.

    >>> identical([100.0, 26.1, float("nan")]), identical([100.0], "%")
    (1, 0)
    """
    return sum(value >= IDENTICAL for value in values) if unit == DECIBELS else 0


def mean_shown(values: Sequence[float], unit: str = "", decimals: int = 1) -> str:
    """A mean as :func:`shown`, and in brackets what it is of: how many have a value, where some have none (NaN), and
    how many of them are identical, where not all are.

    >>> mean_shown([0.5, float("nan")], "%"), mean_shown([100.0, 26.0], "dB"), mean_shown([100.0, 100.0], "dB")
    ('50.0 (of 1)', '63.0 (1 of 2 identical)', 'identical')
    """
    there = [value for value in values if not math.isnan(value)]
    text, same = shown(mean_of(there), unit, decimals), identical(there, unit)
    if 0 < same < len(there):
        return f"{text} ({same} of {len(there)} identical)"
    return f"{text} (of {len(there)})" if 0 < len(there) < len(values) else text
