"""Prompt-tuning inversion (Dong et al. 2023): per timestep a condition c_t under which sampling follows z*."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.backbone.schedule import Schedule
from retouch.inversion.fitting import Fit, fit_embedding
from retouch.inversion.null_text import FittedTexts
from retouch.inversion.trajectory import Progress


@torch.no_grad()
def prompt_tuning_inversion(
    model: Backbone,
    latents: Sequence[Tensor],
    prompt_embeds: Tensor,
    schedule: Schedule,
    *,
    fit: Fit = Fit(),  # noqa: B008, frozen
    progress: Progress | None = None,
) -> FittedTexts:
    """Fits c_t from the noisiest timestep down, at guidance 1.

    At each t, from the current z̄_t: min over c_t of mean((z*_{t-1} − DDIM(z̄_t, ε(c_t)))²), warm-started from
    c_{t+1}, the first from c_src; z̄_{t-1} is where the optimum leads.

    Args:
        latents: z*_0 … z*_T of :func:`ddim_inversion` under ``prompt_embeds`` [1, tokens, dim].
    """
    current, text = latents[-1], prompt_embeds
    path, texts, losses = [current], list[Tensor](), list[tuple[float, float]]()
    for index in reversed(range(len(latents) - 1)):
        timestep, here = schedule.timesteps[index], current

        def lead(embeds: Tensor, here: Tensor = here, timestep: int = timestep, index: int = index) -> Tensor:
            return schedule.step_down(here, model.predict_noise(here, timestep, embeds), index)

        found = fit_embedding(text, latents[index], lead, fit, len(texts), len(latents) - 1)
        text, current = found.embeds, found.latents
        path.append(current)
        texts.append(text)
        losses.append((found.first_loss, found.loss))
        if progress:
            progress(1)
    return FittedTexts(texts[::-1], path[::-1], losses[::-1])
