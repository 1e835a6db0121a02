"""Null-text inversion (Mokady et al. 2023): per timestep an ∅_t under which guided sampling follows z*."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.backbone.schedule import Schedule
from retouch.inversion.fitting import Fit, FittedTexts, Lead, fit_along
from retouch.inversion.trajectory import Progress


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

    def lead_from(here: Tensor, index: int) -> Lead:
        timestep = schedule.timesteps[index]
        text = model.predict_noise(here, timestep, prompt_embeds)

        def lead(null: Tensor) -> Tensor:
            empty = model.predict_noise(here, timestep, null)
            return schedule.step_down(here, empty + guidance_scale * (text - empty), index)

        return lead

    return fit_along(latents, null_embeds, lead_from, fit, progress)
