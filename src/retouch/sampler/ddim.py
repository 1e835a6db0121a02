"""DDIM (Song et al. 2021, equation 12 with η = 0): the deterministic sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from retouch.parts.part import Sampler
from retouch.parts.rows import Branch, Step


@dataclass
class DDIMSampler(Sampler):
    """z' = α' ẑ_0 + σ' ε; on a rectified flow this is Euler's step."""

    name: ClassVar[str] = "ddim"
    summary: ClassVar[str] = "deterministic: back to the noise level below along the predicted noise"

    def is_ddim(self) -> bool:
        """It is."""
        return True

    def step(self, branch: Branch, original: Tensor, noise: Tensor, step: Step) -> Tensor:
        """One step down."""
        return step.below.add_noise(original, noise)
