"""A mask from words: where the network's cross-attention looks for them in a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.protocol import Backbone
from retouch.parts.attach import attached
from retouch.parts.rows import SOURCE, Step
from retouch.parts.word_maps import WordMaps

_LEVELS = (0.3, 0.5, 0.7)  # of the schedule: where shapes are decided


@torch.no_grad()
def word_heat(model: Backbone, latents: Tensor, prompt: str, tokens: Sequence[int], seed: int = 0) -> Tensor:
    """How much each cell of a picture looks at some tokens of ``prompt``, scaled to 0..1.

    The picture is noised to three levels and the network evaluated once at each; the maps of the layers at a quarter
    of the latent's side are averaged. 3 network evaluations.

    Args:
        latents: z_0, [1, C, h, w].
        tokens: positions in the padded prompt.
        seed: of the noise.

    Returns:
        [1, 1, h, w].
    """
    maps, condition, schedule = WordMaps({SOURCE: tokens}), model.condition([prompt]), model.schedule(100)
    generator = torch.Generator().manual_seed(seed)
    with attached(model, [maps.recorder(model)]) as now:
        for level in _LEVELS:
            index = round(level * 99)
            now.step = Step(index, 99 - index, 100, schedule, [SOURCE])
            noise = torch.randn(latents.shape, generator=generator).to(latents)
            model.predict_noise(schedule.add_noise(latents, noise, index), schedule.timesteps[index], condition)
    h, w = latents.shape[-2:]
    heat = maps.picture(SOURCE, h, w)
    assert heat is not None
    heat = functional.interpolate(heat, (h, w), mode="bilinear", align_corners=False)
    return (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-12)


def split(heat: Tensor) -> float:
    """The threshold that separates a map's two populations best (Otsu 1979): greatest variance between them."""
    values = heat.flatten().float()
    best, threshold = -1.0, 0.5
    for candidate in torch.linspace(0, 1, 65)[1:-1].tolist():
        above = values > candidate
        share = float(above.float().mean())
        if 0 < share < 1:
            between = share * (1 - share) * float(values[above].mean() - values[~above].mean()) ** 2
            if between > best:
                best, threshold = between, candidate
    return threshold


def peak(heat: Tensor) -> tuple[float, float]:
    """Where a map [1, 1, h, w] is greatest, as (x, y) shares of its width and height: the middle of that cell.

    The map is smoothed first, so that the middle of a hot region wins over a lone hot cell.
    """
    smooth = functional.avg_pool2d(heat, 3, 1, 1, count_include_pad=False)
    h, w = heat.shape[-2:]
    place = int(smooth.flatten().argmax())
    return (place % w + 0.5) / w, (place // w + 0.5) / h
