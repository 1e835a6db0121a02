"""CycleDiffusion's DPM-Encoder (Wu & De la Torre 2023): a chain drawn from the posterior, and the noise it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from retouch.backbone.schedule import Schedule
from retouch.inversion.ddim import meanings
from retouch.parameters import parameter
from retouch.parts.job import Job
from retouch.parts.noise_maps import check_noisy, noise_maps, posterior, stochasticity
from retouch.parts.part import Inversion
from retouch.parts.rows import whole_steps
from retouch.parts.trajectory import Trajectory


@dataclass
class CycleDiffusion(Inversion):
    """z_T ~ q(z_T | z_0), then z_{t-1} ~ q(z_{t-1} | z_t, z_0), the last of them z_0 (section 3.2, Algorithm 1).

    Neighbouring levels share most of their noise, unlike edit-friendly inversion's. The source branch need not be
    denoised.
    """

    name: ClassVar[str] = "cycle-diffusion"
    summary: ClassVar[str] = "a chain of the stochastic sampler that ends in the picture, and the noise it took"
    aliases: ClassVar[tuple[str, ...]] = ("dpm-encoder",)
    knows_path: ClassVar[bool] = True
    sampler: ClassVar[str] = "ddpm"

    strength: float = parameter(
        0.8, "how far up the picture is noised: less keeps more of it", low=0.01, high=1, source="diffusers' pipeline"
    )
    source_guidance_scale: float = parameter(
        1.0, "w under which the noise is found for the source prompt", low=0, high=50, source="section 4.3"
    )
    stochasticity: float = stochasticity()

    def check(self, steps: int) -> None:
        """Noise maps need noise."""
        check_noisy(self.stochasticity)

    def returns_picture(self, guidance_scale: float) -> bool:
        """At the scale that the noise was found for."""
        return guidance_scale == self.source_guidance_scale

    def down(self, steps: int) -> int:
        """The steps below the start, at least one."""
        return max(1, whole_steps(self.strength, steps))

    def steps(self, steps: int) -> int:
        """As many as are denoised."""
        return self.down(steps)

    def evaluations(self, steps: int) -> int:
        """Both halves where the source is guided."""
        return self.down(steps) * (1 if self.source_guidance_scale == 1 else 2)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Draws the chain, and finds its noise."""
        schedule, conditions, source, null = job.model.schedule(steps), *meanings(job)
        path = self._chain(job, schedule, self.down(steps))
        noises = noise_maps(
            job.model, path, schedule, source, None if self.source_guidance_scale == 1 or null is source else null,
            guidance_scale=self.source_guidance_scale, eta=self.stochasticity, progress=job.progress,
        )  # fmt: skip
        return Trajectory(schedule, path, conditions, path=path, noises=noises)

    def _chain(self, job: Job, schedule: Schedule, down: int) -> list[Tensor]:
        """z_0 … z_T; the noise at a level is what separates it from z_0."""

        def fresh() -> Tensor:
            return torch.randn(job.latents.shape, generator=job.generator).to(job.latents)

        chain = [schedule.add_noise(job.latents, fresh(), down - 1)]
        for index in reversed(range(1, down)):
            level = schedule.level(index)
            noise = (chain[-1] - level.alpha * job.latents) / level.sigma
            mean, spread = posterior(job.latents, noise, level, schedule.level(index - 1), self.stochasticity)
            chain.append(mean + spread * fresh())
        return [job.latents, *reversed(chain)]
