"""Classifier-free guidance (Ho & Salimans 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.model import Backbone
from retouch.branches import TARGET, TARGET_NULL, Row, Step


def guided(null: Tensor | None, text: Tensor, guidance_scale: float) -> Tensor:
    """ε̃ = ε(∅) + w (ε(c) − ε(∅)), all of one shape; ε(c) itself where there is no null half."""
    return text if null is None else null + guidance_scale * (text - null)


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """ε̃ = ε(∅) + w (ε(c_tgt) − ε(∅)), w = ``guidance_scale``; at w = 1 the null half is not evaluated."""

    guidance_scale: float

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """None."""
        return ()

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """None."""
        return ()

    def rows(self, step: Step) -> Sequence[Row]:
        """2 rows, 1 at guidance 1."""
        return [TARGET] if self.guidance_scale == 1 else [TARGET_NULL, TARGET]

    def pull(self, noise: Mapping[Row, Tensor]) -> Tensor:
        """w (ε(c_tgt) − ε(∅)): what guidance adds to the null prediction."""
        return self.guidance_scale * (noise[TARGET] - noise[TARGET_NULL])

    def advance(self, target: Tensor, noise: Mapping[Row, Tensor], step: Step, moment: Moment) -> Tensor:
        """One DDIM step down."""
        combined = guided(noise.get(TARGET_NULL), noise[TARGET], self.guidance_scale)
        return step.schedule.step_down(target, combined, step.index)

    def advance_source(self, source: Tensor, combined: Tensor, step: Step) -> Tensor:
        """One DDIM step down."""
        return step.schedule.step_down(source, combined, step.index)
