"""The objective that fits share: how well the network, under a text, predicts the noise added to one picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone


@dataclass(frozen=True)
class Noising:
    """Noise and training timesteps for one optimiser step, drawn from a seed and the step's number alone.

    Attributes:
        noise: ε, [B, C, h, w].
        timesteps: t, one per row [B], spread evenly: row i's lies in the i-th of B equal ranges.
    """

    noise: Tensor
    timesteps: Tensor

    @classmethod
    def draw(cls, model: Backbone, latents: Tensor, batch_size: int, seed: int, stage: int, step: int) -> Noising:
        """For ``batch_size`` timesteps of ``latents`` [1, C, h, w]; the same arguments draw the same."""
        generator = torch.Generator().manual_seed(((seed * 31 + stage) * 1_000_003 + step) % 2**63)
        total = len(model.schedule(1).alphas_cumprod)
        place = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
        noise = torch.randn((batch_size, *latents.shape[1:]), generator=generator)
        return cls(noise.to(latents), (place * total).long().clamp(max=total - 1))


def denoising_loss(
    model: Backbone, latents: Tensor, condition: Condition, noising: Noising, weight: Tensor | None = None
) -> Tensor:
    """mean ‖(ε − ε_θ(z_t, t, c)) ⊙ M‖² with z_t = √ᾱ_t z_0 + √(1−ᾱ_t) ε (Ho et al. 2020, equation 14).

    Args:
        latents: z_0, [1, C, h, w].
        condition: c, one row.
        weight: M, [1, 1, h, w]; everywhere 1 where there is none. The mean is over all cells, inside or outside.
    """
    rows = len(noising.noise)
    noisy = model.schedule(1).level_of(noising.timesteps, latents).add_noise(latents, noising.noise)
    predicted = model.predict_noise(noisy, noising.timesteps, condition.expand(rows))
    error = noising.noise - predicted
    if weight is not None:
        error = error * weight
    return error.square().mean()
