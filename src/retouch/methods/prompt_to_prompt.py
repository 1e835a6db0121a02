"""Prompt-to-Prompt on an inverted picture: the target branch sees through the source branch's attention maps.

Hertz et al., Prompt-to-Prompt Image Editing with Cross Attention Control, ICLR 2023. ``inversion`` chooses between
plain DDIM inversion, under which the source branch drifts at large guidance, and latent-align ("direct inversion",
Ju et al. 2024; E4C), under which its latent is replaced by z*_t at every step and the source is kept exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.guidance.classifier_free import ClassifierFreeGuidance
from retouch.methods import common
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome, source_of
from retouch.methods.parameters import parameter


@dataclass(frozen=True)
class PromptToPromptEdit(Method):
    """Two branches from z*_T under classifier-free guidance; the target borrows the source's maps."""

    name: ClassVar[str] = "prompt-to-prompt"
    title: ClassVar[str] = "Prompt-to-Prompt"
    paper: ClassVar[str] = "Hertz et al. 2023, arXiv:2208.01626"
    good_for: ClassVar[str] = "swapping, adding or reweighting words; with latent-align the source is kept exactly"

    num_inference_steps: int = common.num_inference_steps()
    guidance_scale: float = common.guidance_scale(7.5)
    inversion: str = parameter(
        "ddim", "how the source branch is held: ddim lets it drift, latent-align replaces it by z* at every step",
        choices=("ddim", "latent-align"),
    )  # fmt: skip
    cross_replace_steps: float = common.cross_replace_steps()
    self_replace_steps: float = common.self_replace_steps()
    self_replace_downsampling: int = common.self_replace_downsampling()
    aligner: str = common.aligner()
    blend_words: str = common.blend_words()
    blend_threshold: float = common.blend_threshold()
    reweight: str = common.reweight()
    cross_replace_words: str = common.cross_replace_words()

    def steps(self) -> int:
        """T up, T down."""
        return 2 * self.num_inference_steps

    def evaluations(self) -> int:
        """T + 4T; the source's half is saved at guidance 1 and under latent-align."""
        target = 1 if self.guidance_scale == 1 else 2
        source = 1 if self.guidance_scale == 1 or self.inversion == "latent-align" else 2
        return self.num_inference_steps * (1 + source + target)

    def edit(self, job: Job) -> Outcome:
        """Inverts, then denoises both branches under the control."""
        source = source_of(job, self.name)
        control = common.prompt_to_prompt(job, source, self)
        trajectory = common.inverted(job, source, self.num_inference_steps, aligned=self.inversion == "latent-align")
        guidance = ClassifierFreeGuidance(trajectory, self.guidance_scale, source_branch=True)
        state = denoise(job.model, trajectory, guidance, control, source_branch=True, progress=job.progress)
        return Outcome(state["target"], state["source"], control.blend.mask if control.blend else None)
