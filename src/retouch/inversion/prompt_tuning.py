"""Prompt-tuning inversion (Dong et al. 2023): per timestep a condition c_t under which sampling follows z*."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.backbone.schedule import Schedule
from retouch.inversion.fitting import Fit, FittedTexts, Lead, fit_along
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

    def lead_from(here: Tensor, index: int) -> Lead:
        timestep = schedule.timesteps[index]
        return lambda embeds: schedule.step_down(here, model.predict_noise(here, timestep, embeds), index)

    return fit_along(latents, prompt_embeds, lead_from, fit, progress)
