"""Negative-prompt inversion with Prompt-to-Prompt: the closed form of null-text inversion.

Miyake et al., Negative-prompt Inversion: Fast Image Inversion for Editing with Text-guided Diffusion Models, 2023:
∅_t := c_src for every t, so that guided sampling under the source prompt is the DDIM reconstruction for every
guidance scale, without optimisation. The source branch's two halves coincide: it costs one evaluation.
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
class NegativePrompt(Method):
    """ε̃ = ε(c_src) + w (ε(c_tgt) − ε(c_src)) under Prompt-to-Prompt control."""

    name: ClassVar[str] = "negative-prompt"
    title: ClassVar[str] = "Negative-prompt inversion"
    paper: ClassVar[str] = "Miyake et al. 2023, arXiv:2305.16807"
    good_for: ClassVar[str] = "fast edits with a faithful reconstruction; strong changes may leave artefacts"

    num_inference_steps: int = common.num_inference_steps()
    guidance_scale: float = common.guidance_scale(7.5)
    npi_interp: float = parameter(
        0.0,
        "0 uses the source prompt as the null text, 1 the empty prompt, between them a spherical mix",
        low=0,
        high=1,
    )
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
        """T + 3T; one more per step where the null text is not the source's."""
        source = 1 if self.npi_interp == 0 or self.guidance_scale == 1 else 2
        return self.num_inference_steps * (1 + source + (1 if self.guidance_scale == 1 else 2))

    def edit(self, job: Job) -> Outcome:
        """Inverts, then denoises both branches under the control."""
        source = source_of(job, self.name)
        control = common.prompt_to_prompt(job, source, self)
        trajectory = common.inverted(job, source, self.num_inference_steps, null="source", npi_interp=self.npi_interp)
        guidance = ClassifierFreeGuidance(trajectory, self.guidance_scale, source_branch=True)
        state = denoise(job.model, trajectory, guidance, control, source_branch=True, progress=job.progress)
        return Outcome(state["target"], state["source"], control.blend.mask if control.blend else None)
