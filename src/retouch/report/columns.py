"""The quantities that methods are compared by, as a report shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from retouch.quantity import ideal, rank, shown
from retouch.report.gathered import COSTS, Gathered

_COST_COLUMNS = {
    "seconds": ("time", "s"),
    "evaluations": ("evaluations", ""),
    "memory_mib": ("median peak memory", "MiB"),
}
_DIGITS = 4
_SHORT_UNIT = 3  # letters


@dataclass(frozen=True)
class Column:
    """A quantity that methods are compared by.

    Attributes:
        role: "measure"; "set", a measure of all edits together; or "cost".
        better: "higher", "lower", "zero" or "one" where the nearest to 0 or 1 is, or "" where nothing says.
        decimals: that its values are shown with.
        model: what took it, a name and a fingerprint; "" where nothing says.
        help: what it is, in a line.
        tells: "kept", "changed" or "", see :class:`retouch.quantity.Quantity`.
    """

    name: str
    title: str
    unit: str
    better: str
    role: str
    decimals: int = 0
    model: str = ""
    help: str = ""
    tells: str = ""

    @property
    def percent(self) -> bool:
        """Whether its values are fractions that are shown as per cent."""
        return self.unit == "%"

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def short_unit(self) -> str:
        """The unit where it is a sign or two."""
        return self.unit if len(self.unit) <= _SHORT_UNIT else ""

    @property
    def short_heading(self) -> str:
        """The title and the short unit."""
        return self.heading if self.short_unit else self.title

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return {"higher": "↑", "lower": "↓", "zero": "→ 0", "one": "→ 1"}.get(self.better, "")

    @property
    def ideal(self) -> float | None:
        """What its values should be near, where that is a number."""
        return ideal(self.better)

    def rank(self, value: float) -> float:
        """A number that is higher for better values."""
        return float(rank(value, self.better))

    def shown(self, value: float, *, with_unit: bool = False) -> str:
        """A value as text, see :func:`retouch.quantity.shown`: a dash where there is none, a word for 100 dB.

        Args:
            with_unit: whether the unit stands behind it, where it is short.
        """
        return shown(value, self.unit, self.decimals, with_unit=with_unit and bool(self.short_unit))

    def spoken(self, value: float) -> str:
        """A value in a sentence: with its unit, or with what it counts."""
        text = self.shown(value, with_unit=True)
        return f"{text} {self.title}" if self.name == "evaluations" else text

    def number(self, value: float) -> str:
        """As :meth:`shown`, always a number: an interval's end."""
        return shown(value, "%" if self.percent else "", self.decimals)


def columns_of(gathered: Gathered) -> list[Column]:
    """Measures, measures of sets, costs; costs that nobody took are left out."""
    columns = [_column(gathered, name, "measure") for name in gathered.measures]
    in_sets = dict.fromkeys(name for values in gathered.sets.values() for name in values)
    columns += [_column(gathered, name, "set") for name in in_sets if name not in gathered.measures]
    titles = [column.title for column in columns]
    columns = [
        replace(column, title=f"{column.title} ({column.name})") if titles.count(column.title) > 1 else column
        for column in columns
    ]
    taken = [name for name in COSTS if gathered.edits[name].notna().any()]
    return columns + [Column(name, *_COST_COLUMNS[name], "lower", "cost") for name in taken]


def _column(gathered: Gathered, name: str, role: str) -> Column:
    known = gathered.about.get(name, {})
    return Column(
        name, known.get("title") or name, known.get("unit", ""), known.get("better", ""), role,
        model=known.get("model", ""), help=known.get("help", ""), tells=known.get("tells", ""),
    )  # fmt: skip


def with_decimals(column: Column, values: Sequence[float]) -> Column:
    """Four digits of the largest value; whole evaluations and mebibytes."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if column.percent:
        decimals = 1
    elif column.name in ("evaluations", "memory_mib") or not sizes:
        decimals = 0
    else:
        decimals = min(6, max(0, _DIGITS - 1 - math.floor(math.log10(max(sizes)))))
    return replace(column, decimals=min(decimals, 2) if column.role == "cost" else decimals)
