"""DDPM's ancestral sampler (Ho et al. 2020), on any subset of timesteps (Song et al. 2021, equation 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from retouch.parts.job import Job
from retouch.parts.noise_maps import posterior, stochasticity
from retouch.parts.part import Sampler
from retouch.parts.rows import Branch, Step
from retouch.parts.trajectory import Trajectory
from retouch.sampler.noises import Noises


@dataclass
class DDPMSampler(Sampler):
    """z' = mean + s n with the trajectory's own noises n, where the inversion found them; fresh ones otherwise.

    Both branches are given the same noise.
    """

    name: ClassVar[str] = "ddpm"
    summary: ClassVar[str] = "stochastic: adds noise at every step, the inversion's where it has found them"

    stochasticity: float = stochasticity()
    _noises: Noises | None = field(default=None, init=False)

    def is_ddim(self) -> bool:
        """At η = 0."""
        return self.stochasticity == 0

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Looks for the inversion's noises."""
        self._noises = Noises(trajectory, job.generator)

    def step(self, branch: Branch, original: Tensor, noise: Tensor, step: Step) -> Tensor:
        """One step down."""
        assert self._noises is not None
        mean, spread = posterior(original, noise, step.level, step.below, self.stochasticity)
        return mean + spread * self._noises.at(step.index, original) if spread else mean
