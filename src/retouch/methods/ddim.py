"""DDIM, "naive" editing: invert under the source prompt, denoise under the target prompt with guidance.

Song et al., Denoising Diffusion Implicit Models, 2021. The baseline every other method is measured against: large
guidance leaves the inverted trajectory, and the picture drifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.guidance.classifier_free import ClassifierFreeGuidance
from retouch.methods.common import guidance_scale, inverted, num_inference_steps
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome, source_of


@dataclass(frozen=True)
class DDIM(Method):
    """z*_T by inversion with c_src, then ε̃ = ε(∅) + w (ε(c_tgt) − ε(∅)) down."""

    name: ClassVar[str] = "ddim"
    title: ClassVar[str] = "DDIM inversion"
    paper: ClassVar[str] = "Song et al. 2021, arXiv:2010.02502"
    good_for: ClassVar[str] = "a first look; free to change anything, keeps little"

    num_inference_steps: int = num_inference_steps()
    guidance_scale: float = guidance_scale(7.5)

    def steps(self) -> int:
        """T up, T down."""
        return 2 * self.num_inference_steps

    def evaluations(self) -> int:
        """T + 2T, or T + T at guidance 1."""
        return self.num_inference_steps * (2 if self.guidance_scale == 1 else 3)

    def edit(self, job: Job) -> Outcome:
        """Inverts and denoises."""
        trajectory = inverted(job, source_of(job, self.name), self.num_inference_steps)
        guidance = ClassifierFreeGuidance(trajectory, self.guidance_scale)
        return Outcome(denoise(job.model, trajectory, guidance, progress=job.progress)["target"])
