"""No inversion: the picture is noised part of the way up (SDEdit, Meng et al. 2022)."""

from __future__ import annotations

from torch import Tensor

from retouch.backbone.schedule import Schedule


def noised(latents: Tensor, noise: Tensor, schedule: Schedule, strength: float) -> list[Tensor]:
    """Adds noise up to ``strength`` of the way.

    The number of steps is ``round(strength · T)``; at strength 1 nothing of the picture is left: the start is the
    noise itself, as in text-to-image.

    Args:
        latents: z_0, [1, C, h, w].
        noise: standard normal, same shape.
        strength: 0..1.

    Returns:
        the latents at every level from z_0 up, all with the same noise, so that the last is where denoising starts.
    """
    steps = round(strength * len(schedule.timesteps))
    levels = [latents] + [schedule.add_noise(latents, noise, index) for index in range(steps)]
    if strength == 1:
        levels[-1] = noise
    return levels
