"""SDE-DPM-Solver++ of second order, multistep (Lu et al. 2022, DPM-Solver++): the solver of LEDITS++."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from retouch.parts.dpm_solver import Before, decay_between, solved, spread_of
from retouch.parts.job import Job
from retouch.parts.part import Sampler
from retouch.parts.rows import Branch, Step
from retouch.parts.trajectory import Trajectory
from retouch.sampler.noises import Noises


@dataclass
class DPMSolverSampler(Sampler):
    """z' = mean + spread · n, with the trajectory's noises n where the inversion has found them; fresh ones otherwise.

    Both branches are given the same noise.
    """

    name: ClassVar[str] = "dpm-solver-pp"
    summary: ClassVar[str] = "stochastic, of second order: looks one step back, and needs fewer steps than ddpm"
    aliases: ClassVar[tuple[str, ...]] = ("dpm-solver++", "sde-dpm-solver++")

    _noises: Noises | None = field(default=None, init=False)
    _before: dict[str, Before] = field(default_factory=dict, init=False)  # by branch

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Looks for the inversion's noises."""
        self._noises = Noises(trajectory, job.generator)
        self._before.clear()

    def step(self, branch: Branch, original: Tensor, noise: Tensor, step: Step) -> Tensor:
        """One step down."""
        assert self._noises is not None
        mean, spread = solved(original, noise, step.level, step.below, self._before.get(branch.name))
        self._before[branch.name] = Before(original, decay_between(step.level, step.below))
        scale = spread_of(spread) if self._noises.found else spread
        return mean + scale * self._noises.at(step.index, original)
