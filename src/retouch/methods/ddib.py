"""DDIB: invert under the source prompt, denoise under the target prompt, both at guidance 1.

Su et al., Dual Diffusion Implicit Bridges for Image-to-Image Translation, ICLR 2023; here with one
text-conditioned model in the place of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.guidance.classifier_free import ClassifierFreeGuidance
from retouch.methods.common import inverted, num_inference_steps
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome, source_of


@dataclass(frozen=True)
class DDIB(Method):
    """Guidance 1 both ways: the DDIM reconstruction under the same prompt, gentle under another."""

    name: ClassVar[str] = "ddib"
    title: ClassVar[str] = "Dual diffusion implicit bridges"
    paper: ClassVar[str] = "Su et al. 2023, arXiv:2203.08382"
    good_for: ClassVar[str] = "small changes that must keep the layout; often changes too little"

    num_inference_steps: int = num_inference_steps()

    def steps(self) -> int:
        """T up, T down."""
        return 2 * self.num_inference_steps

    def evaluations(self) -> int:
        """T + T."""
        return 2 * self.num_inference_steps

    def edit(self, job: Job) -> Outcome:
        """Inverts and denoises."""
        trajectory = inverted(job, source_of(job, self.name), self.num_inference_steps)
        guidance = ClassifierFreeGuidance(trajectory, guidance_scale=1)
        return Outcome(denoise(job.model, trajectory, guidance, progress=job.progress)["target"])
