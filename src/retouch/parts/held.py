"""A mask by hand while a picture is denoised: what is held to the input, and from which step on it is let go."""

from __future__ import annotations

from torch import Tensor


def held(latents: Tensor, kept: Tensor, mask: Tensor | None, number: int, total: int) -> Tensor:
    """The latents after step ``number`` (from 0) of ``total``, where the mask says so those of the kept picture.

    A grey mask is a strength (Levin and Fried 2023, Differential Diffusion): a cell of grey g follows the picture for
    the first (1 − g) of the steps and is free from then on, so that what it may become depends on g alone and not on
    how many steps there are. Within the step where it is let go it is both, in proportion.

    Args:
        latents, kept: [B, C, h, w], at the same noise level.
        mask: [1, 1, h, w] in 0..1; None for 1 everywhere.
    """
    if mask is None:
        return latents
    free = (number + 1 - (1 - mask) * total).clamp(0, 1)
    return kept.lerp(latents, free.to(latents))
