"""No guidance: the target prompt's prediction as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.parts.part import Guidance, Guided, Predictions
from retouch.parts.rows import Branch, Step


@dataclass
class NoGuidance(Guidance):
    """w = 1."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "the target prompt's prediction as it is"

    def idle_negative(self) -> str:
        """Nothing is compared with."""
        return "there is no guidance that could lead away from it"

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """ε(c)."""
        return Guided(predictions[branch.text])
