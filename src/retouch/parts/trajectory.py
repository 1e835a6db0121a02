"""What every inversion yields: the latents on the way up, and the meaning of each text at each step down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from retouch.backbone.condition import Condition, StepwiseCondition
from retouch.backbone.schedule import Schedule
from retouch.parts.rows import Row

Progress = Callable[[int], None]
"""Called with the number of steps just finished."""


@dataclass(frozen=True)
class Trajectory:
    """An inverted picture.

    Attributes:
        schedule: its steps.
        latents: z*_0 … z*_T, each [1, C, h, w]; ``latents[i + 1]`` belongs to schedule index ``i``. Denoising starts
            from the last.
        conditions: what each text means, of one row each, the same at every schedule index or another at each; by name:
            "source", "target", "null" (the target's ∅), "source_null" (the source branch's ∅), and a part's own.
        path: where the source branch is known to pass, like ``latents``; None where it has to be denoised. With z*
            itself (latent-align) its reconstruction is exact.
        noises: for samplers that add noise, what they add at each schedule index, [1, C, h, w] each; None where the
            inversion leaves that to chance.
    """

    schedule: Schedule
    latents: Sequence[Tensor]
    conditions: Mapping[str, Condition | StepwiseCondition]
    path: Sequence[Tensor] | None = None
    noises: Sequence[Tensor] | None = None

    def with_texts(self, more: Mapping[str, Condition | StepwiseCondition]) -> Trajectory:
        """The same, with more names for texts."""
        return replace(self, conditions={**self.conditions, **more}) if more else self

    def batch(self, rows: Sequence[Row], index: int) -> Condition:
        """What the texts of ``rows`` mean at schedule index ``index``, as one batch."""
        return Condition.cat([self.conditions[row.text].at(index) for row in rows])

    def same(self, name: str, other: str) -> bool:
        """Whether two names mean the very same text at every step, so that one evaluation serves both."""
        return self.conditions[name] is self.conditions[other]

    @property
    def start(self) -> Tensor:
        """The noisiest latent, from which the branches are denoised."""
        return self.latents[-1]

    @property
    def steps(self) -> int:
        """How many steps lead down from the start."""
        return len(self.latents) - 1
