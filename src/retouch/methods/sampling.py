"""Text-to-image sampling from noise, several pictures in one batch: how the systems that optimise end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.backbone.model import Backbone
from retouch.guidance.classifier_free import guided

_ROWS = 32  # of one network batch, at most


@dataclass(frozen=True)
class Draft:
    """One picture to sample.

    Attributes:
        noise: where it starts, [1, C, h, w].
        conditions: the prompt embedding [1, tokens, dim] at every schedule index.
    """

    noise: Tensor
    conditions: Sequence[Tensor]


@torch.no_grad()
def sample(
    model: Backbone,
    drafts: Sequence[Draft],
    null_embeds: Tensor,
    *,
    guidance_scale: float,
    num_inference_steps: int,
    kept: Tensor | None = None,
    mask: Tensor | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """DDIM from each draft's noise down to a picture: [drafts, C, h, w], in the order of ``drafts``.

    Each draft costs T evaluations at ``guidance_scale`` 1 and 2 T otherwise; ``progress`` is told of T steps.

    Args:
        kept, mask: z_0 [1, C, h, w] and [1, 1, h, w] in 0..1; where the mask is 0 every step is held to ``kept`` under
            the draft's own noise.
    """
    schedule = model.schedule(num_inference_steps)
    at_once = max(1, _ROWS // (1 if guidance_scale == 1 else 2))
    done = []
    for first in range(0, len(drafts), at_once):
        part = drafts[first : first + at_once]
        noise = latents = torch.cat([draft.noise for draft in part])
        null = null_embeds.expand(len(part), -1, -1)
        for index in reversed(range(num_inference_steps)):
            text = torch.cat([draft.conditions[index] for draft in part])
            t = schedule.timesteps[index]
            if guidance_scale == 1:
                predicted = model.predict_noise(latents, t, text)
            else:
                empty, full = model.predict_noise(latents.repeat(2, 1, 1, 1), t, torch.cat([null, text])).chunk(2)
                predicted = guided(empty, full, guidance_scale)
            latents = schedule.step_down(latents, predicted, index)
            if mask is not None and kept is not None:
                level = schedule.add_noise(kept, noise, index - 1) if index else kept.expand_as(latents)
                latents = torch.lerp(level, latents, mask.to(latents))
            if progress and first == 0:
                progress(1)
        done.append(latents)
    return torch.cat(done)
