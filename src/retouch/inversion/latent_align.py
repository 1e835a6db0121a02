"""Latent alignment (E4C), direct inversion (Ju et al. 2024): the source branch is the inverted picture itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.inversion.ddim import inverted
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory


@dataclass
class LatentAlign(Inversion):
    """z_src := z*_t at every step, as Plug-and-Play's code loads its latents."""

    name: ClassVar[str] = "latent-align"
    summary: ClassVar[str] = "DDIM; the source branch is set to z*_t at every step, its reconstruction is exact"
    aliases: ClassVar[tuple[str, ...]] = ("direct",)
    knows_path: ClassVar[bool] = True

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion whose latents are the source branch's path."""
        latents, conditions, _, _ = inverted(job, steps)
        return Trajectory(job.model.schedule(steps), latents, conditions, path=latents)
