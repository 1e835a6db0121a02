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


def threshold_of(delta: Tensor, quantile: float, beside_zeros: bool = False) -> Tensor:
    """λ: the ``quantile`` (0..1) of |Δ| over the whole tensor, a scalar.

    ``beside_zeros`` reads it off the tensor and as many zeros together, at (1 + quantile) / 2: the same place up to the
    interpolation between two values, and to the last digit what the authors' code finds, whose second half is the
    source's Δ under negative-prompt inversion.
    """
    sizes = delta.abs().float().flatten()
    if beside_zeros:
        return torch.quantile(torch.cat([torch.zeros_like(sizes), sizes]), (1 + quantile) / 2)
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


@dataclass(frozen=True)
class ProximalGuidance:
    """ε̃ = ε(z, ∅) + w · prox_λ(ε(z, c_tgt) − ε(z, ∅)), with inversion and reconstruction guidance.

    ∅ is whatever the trajectory says: the source prompt for ProxNPI, the empty prompt for ProxMasaCtrl. Outside the
    edit mask M and at low noise, the predicted original is drawn to the picture's inside the step,
    ẑ₀ ← ẑ₀ − ρ(ẑ₀ − z₀)(1 − M), and the latent to the inverted one after it, z ← z − ρ(z − z*)(1 − M). Both act on the
    source branch, too, whose M is 0: with ρ = 1 it is z* itself there.

    Attributes:
        quantile: λ as a quantile of |Δ|, 0..1; ignored when ``threshold`` is given.
        threshold: λ itself, at least 0.
        inversion_guidance, reconstruction_guidance: ρ, 0..1; 0 switches the rule off.
        inversion_guidance_below, reconstruction_guidance_below: the training timesteps below which they act.
        dilation: radius of the mask's dilation in latent pixels.
    """

    trajectory: Trajectory
    guidance_scale: float = 7.5
    quantile: float = 0.4
    threshold: float | None = None
    prox: Prox = "soft"
    inversion_guidance: float = 1.0
    inversion_guidance_below: int = 400
    reconstruction_guidance: float = 0.0
    reconstruction_guidance_below: int = 400
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
        beside_zeros = self.trajectory.texts.same("null", "source")
        limit = self.threshold if self.threshold is not None else threshold_of(delta, self.quantile, beside_zeros)
        return proximal(delta, limit, self.prox), limit

    def advance(self, target: Tensor, noise: Mapping[Row, Tensor], step: Step, moment: Moment) -> Tensor:
        """One DDIM step down with proximal guidance."""
        change, limit = self._change(noise)
        combined = noise[TARGET_NULL] + self.guidance_scale * change
        return self._held(target, combined, 1 - edit_mask(change, limit, self.dilation), step)

    def advance_source(self, source: Tensor, combined: Tensor, step: Step) -> Tensor:
        """One DDIM step down, held to the picture everywhere: nothing is asked of the source, its M is 0."""
        return self._held(source, combined, torch.ones_like(source), step)

    def _held(self, latents: Tensor, combined: Tensor, kept: Tensor, step: Step) -> Tensor:
        """One DDIM step down under both guidances, which act where ``kept`` is 1."""
        schedule, index = step.schedule, step.index
        original = schedule.predicted_original(latents, combined, index)
        if self.reconstruction_guidance and step.timestep < self.reconstruction_guidance_below:
            original = original - self.reconstruction_guidance * (original - self.trajectory.latents[0]) * kept
        below = schedule.from_original(original, combined, index)
        if self.inversion_guidance and step.timestep < self.inversion_guidance_below:
            below = below - self.inversion_guidance * (below - self.trajectory.latents[index]) * kept
        return below
