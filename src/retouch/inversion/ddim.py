"""DDIM inversion (Song et al. 2021; Dhariwal & Nichol 2021): the deterministic sampler run upward."""

from __future__ import annotations

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.backbone.schedule import Schedule
from retouch.inversion.trajectory import Progress


@torch.no_grad()
def ddim_inversion(
    model: Backbone, latents: Tensor, prompt_embeds: Tensor, schedule: Schedule, progress: Progress | None = None
) -> list[Tensor]:
    """Carries ``latents`` up to noise at guidance 1.

    z*_t = DDIM⁻¹(z*_{t-1}, ε(z*_{t-1}, t, c)): the network sees the *lower* latent at the *upper* timestep, the
    convention of all reference codes. T network evaluations per picture.

    Args:
        latents: z_0, [B, C, h, w].
        prompt_embeds: the source prompt, [B, tokens, dim].

    Returns:
        z*_0 … z*_T, T + 1 tensors of the shape of ``latents``.
    """
    trajectory = [latents]
    for index, timestep in enumerate(schedule.timesteps):
        noise = model.predict_noise(trajectory[-1], timestep, prompt_embeds)
        trajectory.append(schedule.step_up(trajectory[-1], noise, index))
        if progress:
            progress(1)
    return trajectory
