"""SDEdit: noise the picture part of the way, denoise under the target prompt.

Meng et al., SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations, ICLR 2022; here with
the deterministic DDIM sampler on the way down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from retouch.guidance.classifier_free import ClassifierFreeGuidance
from retouch.inversion.noise import noised
from retouch.inversion.trajectory import Texts, Trajectory
from retouch.methods.common import guidance_scale, num_inference_steps
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome
from retouch.methods.parameters import parameter


@dataclass(frozen=True)
class SDEdit(Method):
    """Strength 0 returns the autoencoder's reconstruction, strength 1 is text-to-image."""

    name: ClassVar[str] = "sdedit"
    title: ClassVar[str] = "SDEdit"
    paper: ClassVar[str] = "Meng et al. 2022, arXiv:2108.01073"
    good_for: ClassVar[str] = "restyling without a source prompt; keeps only colours and layout"
    needs_source: ClassVar[bool] = False

    num_inference_steps: int = num_inference_steps()
    guidance_scale: float = guidance_scale(7.5)
    strength: float = parameter(
        0.75, "how far up the picture is noised: 0 keeps it, 1 forgets it", low=0, high=1, source="section 3"
    )

    def steps(self) -> int:
        """The steps below the start."""
        return round(self.strength * self.num_inference_steps)

    def evaluations(self) -> int:
        """2 per step, 1 at guidance 1."""
        return self.steps() * (1 if self.guidance_scale == 1 else 2)

    def edit(self, job: Job) -> Outcome:
        """Noises and denoises."""
        schedule = job.model.schedule(self.num_inference_steps)
        noise = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
        target, null = job.model.embed([job.target, ""]).split(1)
        latents = noised(job.latents, noise, schedule, self.strength)
        trajectory = Trajectory(schedule, latents, Texts({"target": target, "null": null}))
        guidance = ClassifierFreeGuidance(trajectory, self.guidance_scale)
        return Outcome(denoise(job.model, trajectory, guidance, progress=job.progress)["target"])
