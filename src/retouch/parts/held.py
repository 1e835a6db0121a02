"""A mask by hand while a picture is denoised: what is held to the input, and from which step on it is let go."""

from __future__ import annotations

import torch
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


def weaker(mask: Tensor | None, strength: float) -> Tensor | None:
    """A mask that holds as much more as the whole edit is weaker: at strength 0 everything is held; None for no mask.

    Args:
        mask: [1, 1, h, w] in 0..1; None for 1 everywhere.
        strength: 0..1.
    """
    if strength == 1:
        return mask
    return torch.full((1, 1, 1, 1), strength) if mask is None else mask * strength


def held_steps(mask: Tensor | None, total: int) -> int:
    """How many of the steps, from the first, need not be computed, as they are held everywhere.

    The last of these is computed where others follow, for samplers that look one step back.
    """
    held_everywhere = 0 if mask is None else int((1 - float(mask.max())) * total + 1e-4)
    return held_everywhere if held_everywhere == total else max(0, held_everywhere - 1)
