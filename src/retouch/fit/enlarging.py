"""The objective of a cascade's second stage: how well it predicts the noise on one picture, shown it small."""

from __future__ import annotations

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.schedule import schedule_from_config
from retouch.backbone.super_resolution import SuperResolution


def enlarging_loss(
    stage: SuperResolution, picture: Tensor, small: Tensor, text: Condition, *, batch_size: int, seed: int, step: int
) -> Tensor:
    """mean ‖ε − ε_θ(x_t, t, x_small, s, c)‖², the small picture noised as far (s) as when the stage samples.

    Args:
        picture, small: [1, 3, H, W] and [1, 3, h, w] in -1..1.
        text: c, one row.
        batch_size: noise levels, spread evenly over the schedule.
        seed, step: what is drawn depends on these alone.
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step + 500_009) % 2**63)
    schedule = schedule_from_config(stage.schedule_config, 1)
    place = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
    t = (place * len(schedule.alphas_cumprod)).long()
    noise, haze = torch.randn((2, batch_size, *picture.shape[1:]), generator=generator).to(picture)
    level = torch.full((batch_size,), stage.enlarging.noise_level, device=picture.device)
    shown = stage.prepared(small, (picture.shape[-2], picture.shape[-1]), haze, level)
    at = schedule.level_of(t, picture)
    noisy = at.add_noise(picture, noise)
    predicted = stage.predict(noisy, shown, t.to(picture.device), level, text.expand(batch_size))
    return (noise - at.noise(predicted, noisy, stage.prediction_type)).square().mean()
