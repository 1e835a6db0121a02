"""No inversion, but a source branch: the picture under one noise at every level."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory


@dataclass
class RememberedNoise(Inversion):
    """z*_t = α_t z_0 + σ_t ε with one ε."""

    name: ClassVar[str] = "remembered-noise"
    summary: ClassVar[str] = "no network evaluation: the source branch is the noised picture, level by level"
    knows_path: ClassVar[bool] = True

    def steps(self, steps):
        """None."""
        return 0

    def evaluations(self, steps):
        """None."""
        return 0

    def run(self, job: Job, steps, guidance_scale):
        """Noises the picture."""
        schedule = job.model.schedule(steps)
        noise = torch.randn(job.latents.shape, generator=job.generator)
        path = [job.latents, *(schedule.add_noise(job.latents, noise, index) for index in range(steps))]
        names = ("source", "target", "null")
        texts = dict(zip(names, job.model.condition([job.source or "", job.target, ""]).split(), strict=True))
        return Trajectory(schedule, path, {**texts, "source_null": texts["null"]}, path=path)
