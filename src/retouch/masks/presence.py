"""Whether a picture shows what a word names: whether the network predicts its noise better when told of it.

Cross-attention looks somewhere for every word, and a segmenter marks something at every click: on Diorama's pictures
neither tells words for what is there from others. The prediction of noise does (Li et al., Your Diffusion Model is
Secretly a Zero-Shot Classifier, ICCV 2023).
"""

from __future__ import annotations

import torch
from torch import Tensor

from retouch.backbone.protocol import Backbone
from retouch.prompts import without_words

_LEVELS = (0.3, 0.5, 0.7)  # of the schedule: where shapes are decided
_ALONE, _IN_SENTENCE = -0.07, -0.03
"""Below which gain words are taken to be absent, told alone and in a sentence; docs/fitting.md has what this finds."""


@torch.no_grad()
def gain_of(model: Backbone, latents: Tensor, prompt: str, words: str, seed: int = 0) -> float:
    """How much better the network predicts a picture's noise under ``prompt`` than under it without ``words``.

    Returns:
        1 − error under the prompt / error without the words, averaged over three noise levels: at most 1, below 0 where
        the words do harm. 6 network evaluations.

    Args:
        latents: z_0, [1, C, h, w].
        seed: of the noise.
    """
    texts, schedule = model.condition([prompt, without_words(prompt, words)]), model.schedule(100)
    generator, gains = torch.Generator().manual_seed(seed), list[float]()
    for level in _LEVELS:
        index = round(level * 99)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        noisy = schedule.add_noise(latents, noise, index).expand(2, *latents.shape[1:])
        error = (noise - model.predict_noise(noisy, schedule.timesteps[index], texts)).square().mean((1, 2, 3))
        gains.append(1 - float(error[0] / error[1].clamp(min=1e-12)))
    return sum(gains) / len(gains)


def doubt(model: Backbone, latents: Tensor, prompt: str, words: str) -> str:
    """A sentence where nothing speaks for ``words`` in a picture, "" otherwise; arguments as in :func:`gain_of`."""
    alone = not without_words(prompt, words)
    if gain_of(model, latents, prompt, words) >= (_ALONE if alone else _IN_SENTENCE):
        return ""
    surer = " A sentence for the whole picture, given as the prompt, would tell more surely." if alone else ""
    return (
        f"{words!r} may well not be in the picture, which the model takes for another when told of it: the mask marks "
        f"the place that is likest.{surer}"
    )
