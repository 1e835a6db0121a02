"""Guidance that grows: w rises from 1 to guidance_scale over the run."""

from dataclasses import dataclass
from typing import ClassVar

from retouch.parameters import parameter
from retouch.parts.part import Guidance, Guided, null_of


@dataclass
class Growing(Guidance):
    """ε̃ = ε(∅) + w_t (ε(c) − ε(∅)) with w_t = 1 + (w − 1) · the share of the steps done."""

    name: ClassVar[str] = "growing"
    summary: ClassVar[str] = "classifier-free guidance whose scale rises from step to step"

    guidance_scale: float = parameter(7.5, "w at the end", low=0, high=50)

    @property
    def scale(self):
        """At its end."""
        return self.guidance_scale

    def combine(self, predictions, branch, step):
        """Both halves, extrapolated further and further."""
        null = null_of(predictions, branch)
        return Guided(null + (1 + (self.scale - 1) * step.done) * (predictions[branch.text] - null))
