"""No inversion: the picture is noised part of the way up (SDEdit, Meng et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from retouch.backbone.schedule import Schedule, steps_upto
from retouch.parameters import parameter
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory


def noised(latents: Tensor, noise: Tensor, schedule: Schedule, strength: float) -> tuple[list[Tensor], Schedule]:
    """Adds noise up to ``strength`` of the way, between two of the schedule's timesteps where it falls there.

    Where ``strength`` · T is no whole number of steps, the first step is a shorter one: it starts at the training
    timestep that lies so far on the way from the whole step below to the one above, rounded up. At strength 1 nothing
    of the picture is left: the start is the noise itself, as in text-to-image.

    Args:
        latents: z_0, [1, C, h, w].
        noise: standard normal, same shape.
        strength: 0..1.

    Returns:
        the latents at every level from z_0 up, all with the same noise, so that the last is where denoising starts;
        and the schedule of these levels.
    """
    below = schedule.upto(strength * len(schedule.timesteps))
    levels = [latents] + [below.add_noise(latents, noise, index) for index in range(len(below.timesteps))]
    if strength == 1:
        levels[-1] = noise
    return levels, below


@dataclass
class Noise(Inversion):
    """SDEdit's start."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "no inversion: the picture is noised part of the way; nothing remembers it but the start"
    keeps_source: ClassVar[bool] = False

    strength: float = parameter(
        0.75, "how far up the picture is noised, between two steps as well: 0 keeps it, 1 forgets it",
        low=0, high=1, source="section 3",
    )  # fmt: skip

    def down(self, steps: int) -> int:
        """The steps below the start, the first of them a shorter one where the share is no whole number of steps."""
        return steps_upto(self.strength * steps)

    def steps(self, steps: int) -> int:
        """None."""
        return 0

    def evaluations(self, steps: int) -> int:
        """None."""
        return 0

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Noises the picture."""
        schedule = job.model.schedule(steps)
        noise = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
        target, null = job.model.condition([job.target, ""]).split()
        latents, below = noised(job.latents, noise, schedule, self.strength)
        return Trajectory(below, latents, {"target": target, "null": null})
