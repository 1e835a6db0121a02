"""Proximal guidance (Han et al. 2024, ProxEdit): the guidance direction is thresholded, the rest held to the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.model import Backbone
from retouch.branches import TARGET, TARGET_NULL, Row, Step
from retouch.inversion.trajectory import Trajectory

Prox = Literal["soft", "hard"]


def threshold_of(delta: Tensor, quantile: float) -> Tensor:
    """λ: the ``quantile`` (0..1) of |Δ| over the whole tensor, a scalar."""
    return torch.quantile(delta.abs().float().flatten(), quantile)


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


@dataclass(frozen=True)
class ProximalGuidance:
    """ε̃ = ε(z, ∅) + w · prox_λ(ε(z, c_tgt) − ε(z, ∅)), with inversion and reconstruction guidance.

    ∅ is whatever the trajectory says: the source prompt for ProxNPI, the empty prompt for ProxMasaCtrl. Outside the
    edit mask M, inside every step, the predicted original is drawn to the picture's, ẑ₀ ← ẑ₀ − ρ(ẑ₀ − z₀)(1 − M);
    below ``inversion_guidance_below`` (a training timestep) the latent is drawn to the inverted one after the step,
    z ← z − ρ(z − z*)(1 − M).

    Attributes:
        quantile: λ as a quantile of |Δ|, 0..1; ignored when ``threshold`` is given.
        threshold: λ itself, at least 0.
        inversion_guidance, reconstruction_guidance: ρ, 0..1; 0 switches the rule off.
        dilation: radius of the mask's dilation in latent pixels.
    """

    trajectory: Trajectory
    guidance_scale: float = 7.5
    quantile: float = 0.7
    threshold: float | None = None
    prox: Prox = "soft"
    inversion_guidance: float = 1.0
    inversion_guidance_below: int = 400
    reconstruction_guidance: float = 0.1
    dilation: int = 1

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """None."""
        return ()

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """None."""
        return ()

    def rows(self, step: Step) -> Sequence[Row]:
        """Both halves, also at guidance 1: Δ is thresholded there, too."""
        return [TARGET_NULL, TARGET]

    def pull(self, noise: Mapping[Row, Tensor]) -> Tensor:
        """w · prox_λ(Δ): what guidance adds to the null prediction."""
        return self.guidance_scale * self._change(noise)[0]

    def _change(self, noise: Mapping[Row, Tensor]) -> tuple[Tensor, Tensor | float]:
        delta = noise[TARGET] - noise[TARGET_NULL]
        limit = threshold_of(delta, self.quantile) if self.threshold is None else self.threshold
        return proximal(delta, limit, self.prox), limit

    def advance(self, target: Tensor, noise: Mapping[Row, Tensor], step: Step, moment: Moment) -> Tensor:
        """One DDIM step down with proximal guidance."""
        schedule, index = step.schedule, step.index
        change, limit = self._change(noise)
        combined = noise[TARGET_NULL] + self.guidance_scale * change
        kept = 1 - edit_mask(change, limit, self.dilation)

        if self.reconstruction_guidance:
            original = schedule.predicted_original(target, combined, index)
            original = original - self.reconstruction_guidance * (original - self.trajectory.latents[0]) * kept
            target = schedule.from_original(original, combined, index)
        else:
            target = schedule.step_down(target, combined, index)
        if self.inversion_guidance and step.timestep < self.inversion_guidance_below:
            target = target - self.inversion_guidance * (target - self.trajectory.latents[index]) * kept
        return target
