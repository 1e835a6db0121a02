"""ProxNPI: negative-prompt inversion with proximal guidance, inversion guidance and Prompt-to-Prompt control.

Han et al., ProxEdit: Improving Tuning-Free Real Image Editing with Proximal Guidance, WACV 2024 (Algorithm 1).
The guidance direction Δ = ε(c_tgt) − ε(c_src) is thresholded, so that w amplifies the edit and not the noise of the
two predictions; where nothing is left of Δ the latent is held to the inverted trajectory. The authors' public code
names its soft rule "l0": compare with ``prox=soft``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from retouch.guidance.proximal import ProximalGuidance
from retouch.methods import common
from retouch.methods.loop import denoise
from retouch.methods.method import Job, Method, Outcome, source_of
from retouch.methods.parameters import parameter


@dataclass(frozen=True)
class ProxNPI(Method):
    """ε̃ = ε(c_src) + w · prox_λ(ε(c_tgt) − ε(c_src))."""

    name: ClassVar[str] = "prox-npi"
    title: ClassVar[str] = "Proximal negative-prompt inversion"
    paper: ClassVar[str] = "Han et al. 2024, arXiv:2306.05414"
    good_for: ClassVar[str] = "the default: clear edits that keep the rest"

    num_inference_steps: int = common.num_inference_steps()
    guidance_scale: float = common.guidance_scale(7.5)
    quantile: float = parameter(
        0.7, "λ as a quantile of |Δ|: 0 keeps nearly the whole edit direction, 1 nothing (reconstruction)",
        low=0, high=1, source="section 3.2",
    )  # fmt: skip
    threshold: float | None = parameter(
        None, "λ itself in place of the quantile; none to use the quantile", low=0, high=100, kind="number"
    )
    prox: Literal["soft", "hard"] = parameter(
        "soft",
        "soft shrinks |Δ| by λ (L1), hard keeps what exceeds λ (L0)",
        choices=("soft", "hard"),
        source="eq. 8, 9",
    )
    inversion_guidance: float = parameter(
        1.0, "ρ: pull of the latent to the inverted one outside the edit, after the step", low=0, high=1
    )
    inversion_guidance_below: int = parameter(
        400, "inversion guidance acts below this training timestep", low=0, high=1000, unit="timestep"
    )
    reconstruction_guidance: float = parameter(
        0.1, "ρ: pull of the predicted picture to the source's outside the edit, in every step", low=0, high=1
    )
    dilation: int = parameter(1, "radius by which the edit's region grows", low=0, high=16, unit="latent pixels")
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
        """T + 3T: the source branch runs at guidance 1."""
        return 4 * self.num_inference_steps

    def edit(self, job: Job) -> Outcome:
        """Inverts, then denoises both branches under proximal guidance and the control."""
        source = source_of(job, self.name)
        control = common.prompt_to_prompt(job, source, self)
        trajectory = common.inverted(job, source, self.num_inference_steps, null="source")
        guidance = ProximalGuidance(
            trajectory,
            guidance_scale=self.guidance_scale,
            quantile=self.quantile,
            threshold=self.threshold,
            prox=self.prox,
            inversion_guidance=self.inversion_guidance,
            inversion_guidance_below=self.inversion_guidance_below,
            reconstruction_guidance=self.reconstruction_guidance,
            dilation=self.dilation,
        )
        state = denoise(job.model, trajectory, guidance, control, source_branch=True, progress=job.progress)
        return Outcome(state["target"], state["source"], control.blend.mask if control.blend else None)
