"""Proximal guidance (Han et al. 2024, ProxEdit): the guidance direction is thresholded, the rest held to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from retouch.guidance.classifier_free import guidance_scale, guided
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.part import Guidance, Guided, Predictions, null_of
from retouch.parts.rows import SOURCE_BRANCH, TARGET_BRANCH, TARGET_NEGATIVE, Branch, Row, State, Step
from retouch.parts.trajectory import Trajectory

Prox = Literal["soft", "hard"]


def threshold_of(delta: Tensor, quantile: float, beside: Tensor | None = None) -> Tensor:
    """λ: the ``quantile`` (0..1) of |Δ| over the whole tensor, a scalar.

    ``beside`` is the source branch's Δ of the same shape: λ is then read off both together, at (1 + quantile) / 2, as
    the authors' code does. Where the source's Δ is 0, as under negative-prompt inversion, this is the same place up to
    the interpolation between two values.
    """
    sizes = delta.abs().float().flatten()
    if beside is not None:
        return torch.quantile(torch.cat([beside.abs().float().flatten(), sizes]), (1 + quantile) / 2)
    return torch.quantile(sizes, quantile)


def proximal(delta: Tensor, threshold: Tensor | float, prox: Prox) -> Tensor:
    """prox_λ(Δ), any shape.

    ``soft`` (L1): sign(Δ)·max(|Δ| − λ, 0). ``hard`` (L0): Δ·1[|Δ| > λ]. At λ = 0 both are Δ; where λ reaches the
    largest |Δ| both are 0.
    """
    kept = (delta.abs() - threshold).clamp(min=0)
    return delta.sign() * kept if prox == "soft" else delta * (kept > 0)


def edit_mask(change: Tensor, threshold: Tensor | float, radius: int) -> Tensor:
    """M = dilate(1[|prox_λ(Δ)| > λ], radius): where the edit is, 0 or 1, same shape as ``change`` [B, C, h, w]."""
    mask = (change.abs() > threshold).to(change.dtype)
    return functional.max_pool2d(mask, 2 * radius + 1, stride=1, padding=radius) if radius else mask


@dataclass
class Proximal(Guidance):
    """ε̃ = ε(z, ∅) + w · prox_λ(ε(z, c_tgt) − ε(z, ∅)), with inversion and reconstruction guidance.

    ∅ is whatever the trajectory says: the source prompt for ProxNPI, the empty prompt for ProxMasaCtrl. Outside the
    edit mask M and at low noise, the predicted original is drawn to the picture's inside the step,
    ẑ₀ ← ẑ₀ − ρ(ẑ₀ − z₀)(1 − M), and the latent to the inverted one after it, z ← z − ρ(z − z*)(1 − M). Both act on the
    source branch, too: nothing is asked of it, its M is 0, and with ρ = 1 it is z* itself there.

    A negative prompt is a part of the direction, Δ − (1 − 1/w) (ε(z, c_neg) − ε(z, ∅)): the same as c_neg in the place
    of ∅ where all of it is kept. What is left out of it stays ε(z, ∅), and is not drawn towards c_neg.

    Where the source branch is guided itself, its ∅ being another text than its prompt, its Δ is thresholded by the
    same λ, which is then a quantile of both branches' |Δ|, and its M is its own: as in the authors' code.
    """

    name: ClassVar[str] = "proximal"
    summary: ClassVar[str] = "classifier-free whose small differences are left out; held to the picture there"
    aliases: ClassVar[tuple[str, ...]] = ("prox",)
    needs_trajectory: ClassVar[bool] = True
    takes_negative: ClassVar[bool] = True
    is_linear: ClassVar[bool] = False

    guidance_scale: float = guidance_scale()
    quantile: float = parameter(
        0.4, "λ as a quantile of the target's own |Δ|: 0 keeps nearly the whole edit direction, 1 nothing "
        "(reconstruction); the authors' 0.7 is over source and target together, where it is this 0.4",
        low=0, high=1, source="section 3.2 and the authors' code",
    )  # fmt: skip
    threshold: float | None = parameter(
        None, "λ itself in place of the quantile; none to use the quantile", low=0, high=100, kind="number"
    )
    prox: Prox = parameter(
        "soft", "soft shrinks |Δ| by λ (L1), hard keeps what exceeds λ (L0)", choices=("soft", "hard"),
        source="eq. 8, 9",
    )  # fmt: skip
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
    _trajectory: Trajectory | None = field(default=None, init=False)
    _prediction_type: str = field(default="epsilon", init=False)
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False)  # 1 − M of the step's branches

    @property
    def scale(self) -> float:
        """w."""
        return self.guidance_scale

    def idle(self, asked: Asked) -> Idle:
        """The quantile beside a threshold, and what belongs to a pull or a region that there is none of."""
        found: Idle = {} if self.threshold is None else {"quantile": "threshold is given and takes its place"}
        if self.threshold == 0 or (self.threshold is None and self.quantile == 1):
            kept = "everything" if self.threshold == 0 else "nothing"
            found["prox"] = f"where {kept} of the direction is kept both rules are the same"
        lowest, held = asked.model.schedule(asked.total).timesteps[0], False
        for name in ("inversion_guidance", "reconstruction_guidance"):
            rho, below = getattr(self, name), getattr(self, f"{name}_below")
            if below <= lowest:
                found[name] = f"{name}_below is {below}, and no step is below that timestep"
            elif rho == 0:
                found[f"{name}_below"] = f"{name} is 0"
            else:
                held = True
        if not held:
            found["dilation"] = "the edit's region is used by neither inversion_guidance nor reconstruction_guidance"
        elif self.threshold is None and self.quantile == 1:
            found["dilation"] = "quantile is 1, and the edit has no region"
        if self.guidance_scale == 0 and not held:
            found |= dict.fromkeys(("quantile", "threshold", "prox"), "guidance_scale is 0")
        return found

    def idle_negative(self) -> str:
        """At w = 1, and at w = 0, where there is no direction."""
        return f"guidance_scale is {self.guidance_scale:g}" if self.guidance_scale in (0, 1) else ""

    def rows(self, branch: Branch, step: Step) -> Sequence[Row]:
        """Both halves, whatever w is, and the negative prompt's."""
        led_away = [TARGET_NEGATIVE] if self.negative and branch.name == "target" else []
        return [branch.null, branch.text, *led_away]

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Notes what the picture's inverted latents are."""
        self._trajectory, self._prediction_type = trajectory, job.model.prediction_type

    def pull(self, predictions: Predictions, branch: Branch, step: Step) -> Tensor:
        """w · prox_λ(Δ)."""
        return self.guidance_scale * self._change(predictions, branch, step)[0]

    def _change(self, predictions: Predictions, branch: Branch, step: Step) -> tuple[Tensor, Tensor | float]:
        delta, limit = self._difference(predictions, branch), self._limit(predictions, step)
        return proximal(delta, limit, self.prox), limit

    def _difference(self, predictions: Predictions, branch: Branch) -> Tensor:
        """Δ of one branch."""
        null = null_of(predictions, branch)
        delta = predictions[branch.text] - null
        if not self.negative or branch.name != "target":
            return delta
        return delta - (1 - 1 / self.guidance_scale) * (predictions[TARGET_NEGATIVE] - null)

    def _limit(self, predictions: Predictions, step: Step) -> Tensor | float:
        """λ, in the network's own terms."""
        if self.threshold is not None:
            scale = abs(float(step.level.noise_scale(self._prediction_type)))  # λ is in units of noise
            return self.threshold / scale if scale else float("inf")
        assert self._trajectory is not None
        delta, beside = self._difference(predictions, TARGET_BRANCH), None
        if self._guides(predictions, SOURCE_BRANCH):
            beside = self._difference(predictions, SOURCE_BRANCH)
        elif self._trajectory.same("null", "source"):
            beside = torch.zeros_like(delta)
        return threshold_of(delta, self.quantile, beside)

    def _guides(self, predictions: Predictions, branch: Branch) -> bool:
        """Whether the branch is denoised and has two halves that differ."""
        assert self._trajectory is not None
        known = branch.name == "source" and self._trajectory.path is not None
        return not known and branch.null in predictions and branch.text in predictions

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """The thresholded direction; a source that is its own null text is its prediction."""
        if branch.name == "source" and not self._guides(predictions, branch):
            text = predictions[branch.text]
            self._kept[branch.name] = torch.ones_like(text)
            return Guided(guided(predictions.get(branch.null), text, self.guidance_scale))
        change, limit = self._change(predictions, branch, step)
        self._kept[branch.name] = 1 - edit_mask(change, limit, self.dilation)
        return Guided(null_of(predictions, branch) + self.guidance_scale * change)

    def correct(self, original: Tensor, branch: Branch, step: Step) -> Tensor:
        """Reconstruction guidance."""
        if not self.reconstruction_guidance or step.timestep >= self.reconstruction_guidance_below:
            return original
        assert self._trajectory is not None
        away = original - self._trajectory.latents[0]
        return original - self.reconstruction_guidance * away * self._kept[branch.name]

    def after_step(self, state: State, step: Step) -> State:
        """Inversion guidance, of the branches that were combined."""
        if not self.inversion_guidance or step.timestep >= self.inversion_guidance_below:
            return state
        assert self._trajectory is not None
        there, rho = self._trajectory.latents[step.index], self.inversion_guidance
        return state | {name: state[name] - rho * (state[name] - there) * kept for name, kept in self._kept.items()}
