"""CFG++ (Chung et al. 2024): guided by interpolation, and renoised by the null prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from retouch.guidance.classifier_free import guided
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.part import Guidance, Guided, Predictions, null_of
from retouch.parts.rows import Branch, Row, Step


@dataclass
class CFGPlusPlus(Guidance):
    """ẑ_0 from ε̃ = ε(∅) + λ (ε(c) − ε(∅)), then z' = α' ẑ_0 + σ' ε(∅) (Algorithm 2): the edit stays on the manifold.

    The picture is inverted plainly, under the source prompt at guidance 1; the authors' code inverts under guidance,
    too. It also reads ᾱ one timestep lower than the network is told, and ends in the last ẑ_0: here levels are the
    checkpoint's.

    At λ = 0 the prompt does not count, as in plain guidance at w = 0; without ``renoise`` it is plain guidance at
    w = λ.
    """

    name: ClassVar[str] = "cfg-plus-plus"
    summary: ClassVar[str] = (
        "classifier-free between 0 and 1, led on by the null text's noise: gentler, fewer artefacts"
    )
    aliases: ClassVar[tuple[str, ...]] = ("cfg++", "cfgpp")
    is_linear: ClassVar[bool] = False
    scale_0_is_null: ClassVar[bool] = True
    renoises: ClassVar[bool] = True

    guidance_scale: float = parameter(
        0.6, "λ: how far towards the target prompt; 0 ignores it, 1 is its own prediction", low=0, high=5,
        source="section 4: 0.2 to 1",
    )  # fmt: skip
    renoise: float = parameter(
        1.0, "how much of the noise that leads on is the null text's; 0 is plain guidance at w = λ", low=0, high=1
    )

    @property
    def scale(self) -> float:
        """λ."""
        return self.guidance_scale

    def idle(self, asked: Asked) -> Idle:
        """What leads on, where there is one prediction alone."""
        return {} if self.guidance_scale else {"renoise": "guidance_scale is 0, and all noise is the null text's"}

    def idle_negative(self) -> str:
        """At λ = 1 without renoising."""
        return "guidance_scale is 1 and renoise 0" if self.scale == 1 and not self.renoise else ""

    def draws_to_negative(self) -> bool:
        """At λ = 0, and as in plain guidance where the null text does not lead on."""
        return self.scale == 0 or (self.scale < 1 and not self.renoise)

    def rows(self, branch: Branch, step: Step) -> Sequence[Row]:
        """Both halves, at λ = 1, too."""
        return [branch.null, branch.text]

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """The interpolated prediction, and the null text's."""
        null = null_of(predictions, branch)
        combined = guided(null, predictions[branch.text], self.guidance_scale)
        return Guided(combined, torch.lerp(combined, null, self.renoise) if self.renoise else None)
