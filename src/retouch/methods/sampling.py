"""Text-to-image sampling from noise, several pictures in one batch: how the systems that optimise end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.guidance.classifier_free import guided
from retouch.parts.held import held, held_steps

_ROWS = 32  # of one network batch, at most


@torch.no_grad()
def sample(
    model: Backbone,
    noises: Sequence[Tensor],
    conditions: Sequence[Sequence[Condition]],
    null: Condition,
    *,
    guidance_scale: float,
    num_inference_steps: int,
    kept: Tensor | None = None,
    mask: Tensor | None = None,
    progress: Callable[[int], None] | None = None,
    preview: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """DDIM from noise down to pictures: [pictures, C, h, w], in the order of ``noises``.

    Each picture costs T evaluations at ``guidance_scale`` 1 and 2 T otherwise; ``progress`` is told of T steps.

    Args:
        noises: where each starts, [1, C, h, w].
        conditions: for each what the network is told at every schedule index.
        kept, mask: z_0 [1, C, h, w] and [1, 1, h, w] in 0..1; where the mask is 0 every step is held to ``kept`` under
            the picture's own noise, and where it is grey some are; see :func:`retouch.parts.held.held`. Steps that are
            held everywhere are left out.
        preview: called with the first picture's ẑ_0 [1, C, h, w] after every step.
    """
    schedule, kind = model.schedule(num_inference_steps), model.prediction_type
    at_once = max(1, _ROWS // (1 if guidance_scale == 1 else 2))
    done, left_out = [], 0 if kept is None else held_steps(mask, num_inference_steps)
    top = num_inference_steps - left_out
    if progress and left_out:
        progress(left_out)
    for first in range(0, len(noises), at_once):
        told = conditions[first : first + at_once]
        noise = latents = torch.cat(list(noises[first : first + at_once]))
        if left_out and kept is not None:
            latents = schedule.add_noise(kept, noise, top - 1) if top else kept.expand_as(noise)
        for index in reversed(range(top)):
            text = Condition.cat([one[index] for one in told])
            t = schedule.timesteps[index]
            if guidance_scale == 1:
                original, left = schedule.split(model.predict(latents, t, text), latents, index, kind)
            else:
                both = Condition.cat([null.expand(len(told)), text])
                empty, full = model.predict(latents.repeat(2, 1, 1, 1), t, both).chunk(2)
                combined = guided(empty, full, guidance_scale)
                original, left = schedule.split_guided(combined, latents, index, kind)
            latents = schedule.add_noise(original, left, index - 1)
            if mask is not None and kept is not None:
                level = schedule.add_noise(kept, noise, index - 1) if index else kept.expand_as(latents)
                latents = held(latents, level, mask, num_inference_steps - 1 - index, num_inference_steps)
            if progress and first == 0:
                progress(1)
            if preview and first == 0:
                preview(original[:1])
        done.append(latents)
    return torch.cat(done)
