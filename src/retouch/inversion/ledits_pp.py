"""LEDITS++'s inversion (Brack et al. 2024, section 4.1): noise maps with which DPM-Solver++ returns the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.dpm_solver import Before, decay_between, solved, spread_of
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.rows import whole_steps
from retouch.parts.trajectory import Trajectory


@dataclass
class LeditsPPInversion(Inversion):
    """z_t are independent noisings of the picture; n_t is what the solver must add to get from one to the next.

    The network is asked without a text, so that whatever is added to that prediction is the edit. From the levels that
    are left after ``skip`` the solver, given n_t, passes z_{t-1} for every t, and ends in the picture.
    """

    name: ClassVar[str] = "ledits-pp"
    summary: ClassVar[str] = "no way up, but the noises with which sampling without a text returns the picture"
    aliases: ClassVar[tuple[str, ...]] = ("ledits++",)
    sampler: ClassVar[str] = "dpm-solver-pp"
    knows_path: ClassVar[bool] = True

    skip: float = parameter(
        0.15, "share of the steps, from the noisiest, that are left out; less is a stronger edit", low=0, high=1,
        source="diffusers, whose share comes on top of the steps",
    )  # fmt: skip

    def idle(self, asked: Asked) -> Idle:
        """The source prompt where no source branch is evaluated, and a share of the steps that is none."""
        read = "source" in asked.texts or asked.model.recommended.when_changed
        found = {} if read else {"source": "the inversion asks the network without a text"}
        return found | asked.left_out(skip=self.skip)

    def down(self, steps: int) -> int:
        """The steps that are left."""
        return steps - whole_steps(self.skip, steps)

    def steps(self, steps: int) -> int:
        """As many to find the noises."""
        return self.down(steps)

    def evaluations(self, steps: int) -> int:
        """One each."""
        return self.down(steps)

    @torch.no_grad()
    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Noises the picture to every level, then finds the solver's noises from the top down."""
        schedule, levels = job.model.schedule(steps), self.down(steps)
        source, target, null = job.model.condition([job.source or "", job.target, ""]).split()
        latents = [job.latents]
        for index in range(levels):
            noise = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
            latents.append(schedule.add_noise(job.latents, noise, index))
        noises: list[Tensor] = []
        before: Before | None = None
        for index in reversed(range(levels)):
            level, below = schedule.level(index), schedule.level(index - 1)
            predicted = job.model.predict(latents[index + 1], schedule.timesteps[index], null)
            original, noise = level.split(predicted, latents[index + 1], job.model.prediction_type)
            mean, spread = solved(original, noise, level, below, before)
            before = Before(original, decay_between(level, below))
            noises.append((latents[index] - mean) / spread_of(spread))
            if index:  # what rounding leaves is not carried further down; the picture itself stays as it is
                latents[index] = mean + spread_of(spread) * noises[-1]
            job.progress(1)
        texts = {"source": source, "target": target, "null": null, "source_null": null}
        return Trajectory(schedule, latents, texts, path=latents, noises=noises[::-1])
