"""DDPM's ancestral sampler (Ho et al. 2020), on any subset of timesteps (Song et al. 2021, equation 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from retouch.backbone.schedule import Level
from retouch.parameters import parameter
from retouch.parts.job import Job
from retouch.parts.part import Sampler
from retouch.parts.rows import Branch, Step
from retouch.parts.trajectory import Trajectory
from retouch.sampler.noises import Noises


def posterior(original: Tensor, noise: Tensor, level: Level, below: Level, eta: float) -> tuple[Tensor, float]:
    """Mean and standard deviation of z_{t-1} given ẑ_0 and ε.

    s = η √((1−ᾱ')/(1−ᾱ)) √(1−ᾱ/ᾱ'), mean = √ᾱ' ẑ_0 + √(1−ᾱ'−s²) ε (equations 12 and 16; η = 1 is DDPM).
    """
    alpha, sigma, alpha_below, sigma_below = (float(x) for x in (level.alpha, level.sigma, below.alpha, below.sigma))
    spread = eta * sigma_below / sigma * max(0.0, 1 - (alpha / alpha_below) ** 2) ** 0.5
    mean = alpha_below * original + max(0.0, sigma_below**2 - spread**2) ** 0.5 * noise
    return mean, spread


@dataclass
class DDPMSampler(Sampler):
    """z' = mean + s n with the trajectory's own noises n, where the inversion found them; fresh ones otherwise.

    Both branches are given the same noise.
    """

    name: ClassVar[str] = "ddpm"
    summary: ClassVar[str] = "stochastic: adds noise at every step, the inversion's where it has found them"

    stochasticity: float = parameter(
        1.0, "η: how much of the noise is new at every step; 1 is DDPM, 0 is DDIM", low=0, high=1,
        source="DDIM, equation 16",
    )  # fmt: skip
    _noises: Noises | None = field(default=None, init=False)

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Looks for the inversion's noises."""
        self._noises = Noises(trajectory, job.generator)

    def step(self, branch: Branch, original: Tensor, noise: Tensor, step: Step) -> Tensor:
        """One step down."""
        assert self._noises is not None
        mean, spread = posterior(original, noise, step.level, step.below, self.stochasticity)
        return mean + spread * self._noises.at(step.index, original)
