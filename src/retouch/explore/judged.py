"""What was measured of anybody's edits, as a table and for machines: what follows, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retouch.measures.registry import chosen
from retouch.quantity import DECIBELS, identical, mean_of, mean_shown

FOLLOWS = ("directional_similarity", "clip_score")
"""What tells whether an edit shows what was asked: where there are target texts, and a CLIP model is named."""
KEEPS = ("untouched", "shift", "tone_drift", "sharpness", "psnr", "ssim")
"""What tells how little else was changed: outside the masks where there are masks, else of whole pictures."""

_OUTSIDE = ".outside"
_DECIMALS = {"directional_similarity": 3, "shift": 2, "sharpness": 2}


@dataclass(frozen=True)
class Pair:
    """What was measured of one edit: NaN where a measure says nothing.

    Attributes:
        name: the picture's, or the step's.
        method: the label of the folder that it is from.
        step: which of its picture's edits in a row it is, from 1; 0 for one by itself.
    """

    name: str
    method: str
    values: Mapping[str, float]
    step: int = 0


@dataclass(frozen=True)
class Judged:
    """Edits and what was measured of them.

    Attributes:
        about: what the measures are, by name, as :func:`retouch.runs.results.about_measures`.
        pairs: by method, then by name.
        masked: whether every picture has a mask, so that what is kept is told outside of it.
    """

    about: Mapping[str, Mapping[str, str]]
    pairs: Sequence[Pair]
    masked: bool = False

    @property
    def methods(self) -> list[str]:
        """The labels."""
        return list(dict.fromkeys(pair.method for pair in self.pairs))

    def of(self, method: str, step: int | None = None) -> list[Pair]:
        """The edits of a method; of one step alone where one is named."""
        return [pair for pair in self.pairs if pair.method == method and step in (None, pair.step)]

    def mean(self, method: str, measure: str, step: int | None = None) -> float:
        """Over the edits of a method, or of one step of it, that have a value; NaN where none has."""
        return mean_of(self._values(method, measure, step))

    def _values(self, method: str, measure: str, step: int | None = None) -> list[float]:
        return [pair.values[measure] for pair in self.of(method, step)]

    @property
    def columns(self) -> list[str]:
        """The measures of the table: of following, then of keeping, then those that were asked for by name."""
        there = [name for name in self.about if any(not math.isnan(pair.values[name]) for pair in self.pairs)]
        pairs = [name for base in KEEPS for name in self._kept(base) if name in there]
        usual = {one.name for one in chosen(["default"])[0]}
        return [*(name for name in FOLLOWS if name in there), *pairs, *(name for name in there if name not in usual)]

    def _kept(self, base: str) -> list[str]:
        """Of whole pictures; outside the masks where every picture has one; both where some have."""
        return [base + _OUTSIDE] if self.masked else [base, base + _OUTSIDE]

    @property
    def partial(self) -> bool:
        """Whether a column of the table lacks the values of some edits, so that its means are of fewer."""
        return any(math.isnan(pair.values[name]) for pair in self.pairs for name in self.columns)

    def told(self) -> str:
        """What the table's figures are of, in sentences."""
        sentences = ["Means over the pictures."]
        if self.partial:
            sentences.append("Where only some have a value, (of N) says how many.")
        if any(identical([pair.values[name] for pair in self.pairs], self._unit(name)) for name in self.columns):
            sentences.append("Identical pictures count as 100 dB.")
        if self.masked:
            sentences.append("What is kept is told outside the masks.")
        if any(pair.step for pair in self.pairs):
            sentences.append("Every edit is compared with the picture as it was before the first.")
        return " ".join(sentences)

    def _unit(self, name: str) -> str:
        return self.about[name].get("unit", "")

    @property
    def headings(self) -> list[str]:
        """Of :attr:`rows`."""
        cut = _OUTSIDE if self.masked else " "
        units = [(name.removesuffix(cut), self._unit(name)) for name in self.columns]
        after = ["after"] if any(pair.step for pair in self.pairs) else []
        return ["edits of", *after, "count", *(f"{name} ({unit})" if unit else name for name, unit in units)]

    @property
    def rows(self) -> list[list[str]]:
        """The table as text: a method's label, after how many edits in a row, the number of edits, and their means.

        Behind a mean that is not of all of these stands of how many, "26.1 (of 1)", and behind one of decibels how many
        are identical, "63.1 (1 of 2 identical)".
        """
        groups = dict.fromkeys((pair.method, pair.step) for pair in self.pairs)
        return [
            [method, *([str(step)] if step else []), str(len(self.of(method, step))), *self._means(method, step)]
            for method, step in sorted(groups, key=lambda group: (self.methods.index(group[0]), group[1]))
        ]

    def _means(self, method: str, step: int) -> list[str]:
        return [
            mean_shown(
                self._values(method, name, step), unit := self._unit(name),
                _DECIMALS.get(name.removesuffix(_OUTSIDE), 1 if unit else 3),
            )
            for name in self.columns
        ]  # fmt: skip

    def figures(self) -> dict[str, Any]:
        """All of it for machines, JSON-ready: means by method, what each is of, and every pair."""

        def plain(values: Mapping[str, float]) -> dict[str, float | None]:
            return {name: None if math.isnan(value) else value for name, value in values.items()}

        return {
            "measures": dict(self.about),
            "methods": [
                {"method": method, "edits": len(self.of(method)),
                 "values": plain({name: self.mean(method, name) for name in self.about}), **self._counts(method)}
                for method in self.methods
            ],
            "pairs": [
                {"name": pair.name, "method": pair.method, "step": pair.step, "values": plain(pair.values)}
                for pair in self.pairs
            ],
        }  # fmt: skip

    def _counts(self, method: str) -> dict[str, dict[str, int]]:
        """What means are of: how many edits have a value, and how many of those in decibels are identical."""
        values = {name: self._values(method, name) for name in self.about}
        decibels = [name for name in values if self._unit(name) == DECIBELS]
        return {
            "counts": {name: sum(not math.isnan(value) for value in found) for name, found in values.items()},
            "identical": {name: identical(values[name]) for name in decibels},
        }
