"""Classifier-free guidance (Ho & Salimans 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from retouch.parameters import parameter
from retouch.parts.part import Guidance, Guided, Predictions
from retouch.parts.rows import Branch, Step


def guided(null: Tensor | None, text: Tensor, guidance_scale: float) -> Tensor:
    """ε̃ = ε(∅) + w (ε(c) − ε(∅)), all of one shape; ε(c) itself where there is no null half."""
    return text if null is None else null + guidance_scale * (text - null)


def guidance_scale() -> float:
    """The parameter."""
    value: float = parameter(7.5, "w: how strongly the target prompt pulls; 1 is no guidance", low=0, high=50)
    return value


@dataclass
class ClassifierFree(Guidance):
    """ε̃ = ε(∅) + w (ε(c) − ε(∅)), w = ``guidance_scale``; at w = 1 the null half is not evaluated."""

    name: ClassVar[str] = "classifier-free"
    summary: ClassVar[str] = "away from the null text's prediction, towards the target prompt's"
    aliases: ClassVar[tuple[str, ...]] = ("cfg",)
    scale_0_is_null: ClassVar[bool] = True

    guidance_scale: float = guidance_scale()

    @property
    def scale(self) -> float:
        """w."""
        return self.guidance_scale

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """Both halves, extrapolated."""
        return Guided(guided(predictions.get(branch.null), predictions[branch.text], self.guidance_scale))
