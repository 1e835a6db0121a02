"""Null-text inversion (Mokady et al. 2023): per timestep an ∅_t under which guided sampling follows z*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.backbone.schedule import Schedule
from retouch.inversion.fitting import Fit, fit_embedding
from retouch.inversion.trajectory import Progress


@dataclass(frozen=True)
class FittedTexts:
    """What a per-timestep fit leaves, each by schedule index.

    Attributes:
        embeds: T embeddings [1, tokens, dim].
        path: T + 1 latents: where sampling under these embeddings passes, from ``path[T]`` = z*_T down to ``path[0]``.
        losses: T pairs: the loss at the start of each timestep's fit, and at its end.
    """

    embeds: Sequence[Tensor]
    path: Sequence[Tensor]
    losses: Sequence[tuple[float, float]]


@torch.no_grad()
def null_text_inversion(
    model: Backbone,
    latents: Sequence[Tensor],
    prompt_embeds: Tensor,
    null_embeds: Tensor,
    schedule: Schedule,
    *,
    guidance_scale: float = 7.5,
    fit: Fit = Fit(),  # noqa: B008, frozen
    progress: Progress | None = None,
) -> FittedTexts:
    """Fits ∅_t from the noisiest timestep down.

    At each t, from the current z̄_t: min over ∅_t of mean((z*_{t-1} − DDIM(z̄_t, ε̃_w(∅_t, c_src)))²), warm-started
    from ∅_{t+1}; z̄_{t-1} is where the optimum leads (equation 3, Algorithm 1). ε(z̄_t, c_src) is evaluated once.

    Args:
        latents: z*_0 … z*_T of :func:`ddim_inversion` under ``prompt_embeds`` [1, tokens, dim].
        null_embeds: the empty prompt's, the first start.
        guidance_scale: w under which the picture will be edited; at 1 the null text has no effect.
    """
    current, null = latents[-1], null_embeds
    path, nulls, losses = [current], list[Tensor](), list[tuple[float, float]]()
    for index in reversed(range(len(latents) - 1)):
        timestep, here = schedule.timesteps[index], current
        text = model.predict_noise(here, timestep, prompt_embeds)

        def lead(
            embeds: Tensor, here: Tensor = here, text: Tensor = text, timestep: int = timestep, index: int = index
        ) -> Tensor:
            empty = model.predict_noise(here, timestep, embeds)
            return schedule.step_down(here, empty + guidance_scale * (text - empty), index)

        found = fit_embedding(null, latents[index], lead, fit, len(nulls), len(latents) - 1)
        null, current = found.embeds, found.latents
        path.append(current)
        nulls.append(null)
        losses.append((found.first_loss, found.loss))
        if progress:
            progress(1)
    return FittedTexts(nulls[::-1], path[::-1], losses[::-1])
