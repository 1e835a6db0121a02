"""The guidances to choose from, with their parameters: how the predictions of a step are combined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.backbone.model import Backbone
from retouch.branches import whole_steps
from retouch.guidance.classifier_free import ClassifierFreeGuidance
from retouch.guidance.guiders import GuideAndRescale, Preset, Pulling
from retouch.guidance.proximal import Prox, ProximalGuidance
from retouch.inversion.trajectory import Trajectory
from retouch.parameters import parameter


@dataclass(frozen=True)
class GuidanceChoice:
    """The base: guidance 1, the target prompt's prediction alone."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "the target prompt's prediction as it is"
    needs_trajectory: ClassVar[bool] = False

    @property
    def scale(self) -> float:
        """w."""
        return 1.0

    def rows(self) -> int:
        """Evaluations of the target per step."""
        return 1 if self.scale == 1 else 2

    def build(self, trajectory: Trajectory) -> Pulling:
        """What the loop asks."""
        return ClassifierFreeGuidance(self.scale)


def _guidance_scale() -> float:
    value: float = parameter(7.5, "w: how strongly the target prompt pulls; 1 is no guidance", low=0, high=50)
    return value


@dataclass(frozen=True)
class ClassifierFree(GuidanceChoice):
    """Ho & Salimans 2022."""

    name: ClassVar[str] = "classifier-free"
    summary: ClassVar[str] = "away from the null text's prediction, towards the target prompt's"

    guidance_scale: float = _guidance_scale()

    @property
    def scale(self) -> float:
        """w."""
        return self.guidance_scale


@dataclass(frozen=True)
class Proximal(GuidanceChoice):
    """Han et al. 2024."""

    name: ClassVar[str] = "proximal"
    summary: ClassVar[str] = "classifier-free whose small differences are left out; held to the picture there"
    needs_trajectory: ClassVar[bool] = True

    guidance_scale: float = _guidance_scale()
    quantile: float = parameter(
        0.4, "λ as a quantile of the target's own |Δ|: 0 keeps nearly the whole edit direction, 1 nothing "
        "(reconstruction); the authors' 0.7 is over source and target together, where it is this 0.4",
        low=0, high=1, source="section 3.2 and the authors' code",
    )  # fmt: skip
    threshold: float | None = parameter(
        None, "λ itself in place of the quantile; none to use the quantile", low=0, high=100, kind="number"
    )
    prox: Prox = parameter(
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
        0.0, "ρ: pull of the predicted picture to the source's outside the edit, inside the step; published 0.1, off",
        low=0, high=1,
    )  # fmt: skip
    reconstruction_guidance_below: int = parameter(
        400, "reconstruction guidance acts below this training timestep", low=0, high=1000, unit="timestep"
    )
    dilation: int = parameter(1, "radius by which the edit's region grows", low=0, high=16, unit="latent pixels")

    @property
    def scale(self) -> float:
        """w."""
        return self.guidance_scale

    def rows(self) -> int:
        """Both halves, whatever w is."""
        return 2

    def build(self, trajectory: Trajectory) -> ProximalGuidance:
        """Proximal guidance along the trajectory."""
        return ProximalGuidance(
            trajectory,
            guidance_scale=self.guidance_scale,
            quantile=self.quantile,
            threshold=self.threshold,
            prox=self.prox,
            inversion_guidance=self.inversion_guidance,
            inversion_guidance_below=self.inversion_guidance_below,
            reconstruction_guidance=self.reconstruction_guidance,
            reconstruction_guidance_below=self.reconstruction_guidance_below,
            dilation=self.dilation,
        )


GUIDANCES: dict[str, type[GuidanceChoice]] = {part.name: part for part in (ClassifierFree, Proximal, GuidanceChoice)}


_PUBLISHED = {
    "layout": {"attention_strength": 3e5, "feature_strength": 500.0, "guided_share": 0.6, "low": 0.33, "high": 3.0},
    "style": {"attention_strength": 1e5, "feature_strength": 2.5, "guided_share": 0.5, "low": 1.5, "high": 1.5},
}


@dataclass(frozen=True)
class Guiders:
    """Guide-and-Rescale's energies, on top of another guidance (Titov et al. 2024)."""

    name: ClassVar[str] = "guiders"
    summary: ClassVar[str] = "gradients of energies that keep maps and features, on top of another guidance"

    preset: Preset = parameter(
        "layout", "which energies and strengths: layout for edits that keep the picture's look, style for restyling",
        choices=("layout", "style"), source="section 4",
    )  # fmt: skip
    attention_strength: float | None = parameter(
        None, "v of the self-attention energy; none for the preset's: 3e5, style 1e5", low=0, high=1e9, kind="number"
    )
    feature_strength: float | None = parameter(
        None, "v of the feature energy; none for the preset's: 500, style 2.5", low=0, high=1e9, kind="number"
    )
    guided_share: float | None = parameter(
        None, "share of the steps, from the first, that are guided; none for the preset's: 0.6, style 0.5",
        low=0, high=1, kind="number",
    )  # fmt: skip
    rescale_low: float | None = parameter(
        None, "r_low: least norm of the energies' gradient against guidance's; none for the preset's: 0.33, style 1.5",
        low=0, high=100, kind="number", source="section 4.3",
    )  # fmt: skip
    rescale_high: float | None = parameter(
        None, "r_up: greatest norm of the same; none for the preset's: 3, style 1.5", low=0, high=100, kind="number",
        source="section 4.3",
    )  # fmt: skip
    gradient_checkpointing: bool = parameter(
        False, "recompute the network's activations in the backward pass: slower, in much less memory"
    )

    def chosen(self) -> dict[str, float]:
        """The numbers: the preset's, where none is given."""
        given = {
            "attention_strength": self.attention_strength, "feature_strength": self.feature_strength,
            "guided_share": self.guided_share, "low": self.rescale_low, "high": self.rescale_high,
        }  # fmt: skip
        return {key: _PUBLISHED[self.preset][key] if value is None else value for key, value in given.items()}

    def rows(self, steps: int, controlled: bool) -> int:
        """Evaluations over all T ``steps`` on top of the base's."""
        numbers = self.chosen()
        if not numbers["high"] or not (numbers["attention_strength"] or numbers["feature_strength"]):
            return 0
        again = controlled and self.preset == "style" and numbers["feature_strength"] > 0
        return (3 if again else 2) * whole_steps(numbers["guided_share"], steps)

    def build(self, base: Pulling, model: Backbone, trajectory: Trajectory, controlled: bool) -> GuideAndRescale:
        """The energies on top of ``base``."""
        return GuideAndRescale(
            base, model, trajectory, self.preset, controlled=controlled,
            gradient_checkpointing=self.gradient_checkpointing, **self.chosen(),
        )  # fmt: skip
