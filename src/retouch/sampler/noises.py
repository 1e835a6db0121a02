"""What stochastic samplers add at every step: the inversion's noises where it has found some, fresh ones otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from retouch.parts.trajectory import Trajectory


@dataclass
class Noises:
    """Noises by schedule index, the same for all branches."""

    trajectory: Trajectory
    generator: Generator
    _drawn: dict[int, Tensor] = field(default_factory=dict, init=False)

    @property
    def found(self) -> bool:
        """Whether they are the inversion's."""
        return self.trajectory.noises is not None

    def at(self, index: int, like: Tensor) -> Tensor:
        """The noise of a schedule index, [1, C, h, w] as ``like``."""
        if self.trajectory.noises is not None:
            return self.trajectory.noises[index]
        if index not in self._drawn:
            # those of all steps to come, in their order: no step waits for a copy from the processor
            drawn = torch.stack([torch.randn(like.shape, generator=self.generator) for _ in range(index + 1)]).to(like)
            self._drawn = dict(zip(range(index, -1, -1), drawn, strict=True))
        return self._drawn[index]
