"""Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2024): independent noise at every level."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from retouch.inversion.ddim import meanings
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.noise_maps import check_noisy, noise_maps, stochasticity
from retouch.parts.part import Inversion
from retouch.parts.rows import whole_steps
from retouch.parts.trajectory import Trajectory

LastNoise = Literal["kept", "dropped"]


@dataclass
class EditFriendly(Inversion):
    """z_t = √ᾱ_t z_0 + √(1−ᾱ_t) ε̃_t, ε̃_t drawn for every t anew (eq. 6); the noise maps follow from it (eq. 5).

    Sampling with these maps under the source prompt, at the scale they were found for, passes through every z_t and
    ends in the picture. The source branch need not be denoised. The authors' code leaves out the very last map, so
    that it ends a little beside the picture: ``last_noise=dropped``.
    """

    name: ClassVar[str] = "edit-friendly"
    summary: ClassVar[str] = "DDPM with independent noise per level, and the noise maps that lead back to the picture"
    aliases: ClassVar[tuple[str, ...]] = ("ddpm", "ddpm-inversion")
    knows_path: ClassVar[bool] = True
    sampler: ClassVar[str] = "ddpm"

    skip: float = parameter(
        0.36, "share of the steps, the noisiest, that are left out: more keeps more of the picture", low=0, high=0.99,
        source="section 4: 36 of 100",
    )  # fmt: skip
    source_guidance_scale: float = parameter(
        3.5, "w under which the noise maps are found for the source prompt", low=0, high=50, source="section 4"
    )
    last_noise: LastNoise = parameter(
        "kept", "kept: the last step's noise map, too, so that the picture is returned exactly; dropped: as the "
        "authors' code", choices=("kept", "dropped"),
    )  # fmt: skip
    stochasticity: float = stochasticity()

    def check(self, steps: int) -> None:
        """Noise maps need noise."""
        check_noisy(self.stochasticity)

    def idle(self, asked: Asked) -> Idle:
        """A share of the steps that is none."""
        return asked.left_out(skip=self.skip)

    def returns_picture(self, guidance_scale: float) -> bool:
        """At the scale that the noise maps were found for."""
        return guidance_scale == self.source_guidance_scale and self.last_noise == "kept"

    def down(self, steps: int) -> int:
        """All but those left out."""
        return steps - whole_steps(self.skip, steps)

    def steps(self, steps: int) -> int:
        """As many as are denoised."""
        return self.down(steps)

    def evaluations(self, steps: int) -> int:
        """Both halves where the source is guided."""
        return self.down(steps) * (1 if self.source_guidance_scale == 1 else 2)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """Draws the path, and finds the noise maps."""
        schedule, conditions, source, null = job.model.schedule(steps), *meanings(job)
        drawn_from = job.generator.get_state().numpy().tobytes()
        path = [job.latents]
        for index in range(steps):  # all are drawn, so that more or fewer steps left out find the same noise
            fresh = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
            path.append(schedule.add_noise(job.latents, fresh, index))
        path = path[: self.down(steps) + 1]
        scale, eta = self.source_guidance_scale, self.stochasticity
        halves = scale != 1 and null is not source

        def once(levels: Hashable, cost: int, make: Callable[[], list[Tensor]]) -> list[Tensor]:
            key = (self.name, job.source, steps, scale if halves else 1, eta, drawn_from, levels)
            return job.inversions.once(job.model, job.latents, key, cost, make)

        noises = noise_maps(
            job.model, path, schedule, source, null if halves else None, guidance_scale=scale, eta=eta,
            progress=job.progress, once=once,
        )  # fmt: skip
        if self.last_noise == "dropped":
            noises[0] = torch.zeros_like(noises[0])
        return Trajectory(schedule, path, conditions, path=path, noises=noises)
