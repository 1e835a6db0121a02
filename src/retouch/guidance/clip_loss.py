"""How far a picture is from what a text asks, for CLIP, with views that gradients pass through."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from retouch.backbone.clip import Clip


@dataclass(frozen=True)
class ClipLoss:
    """L = 1 − cos(CLIP_I(x), CLIP_T(target)) + λ (1 − cos(ΔI, ΔT)), averaged over views of the picture (E4C).

    ΔI = CLIP_I(x) − CLIP_I(input), ΔT = CLIP_T(target) − CLIP_T(source) (StyleGAN-NADA, Gal et al. 2022).

    Args:
        target: what the text says, [1, dim].
        source: what the source prompt says, [1, dim]; None leaves the directional term out.
        picture: the input as CLIP sees it, [1, dim].
        directional: λ.
        views: how many views: the whole picture, and random crops of 80 to 100 % of its side.
    """

    clip: Clip
    target: Tensor
    source: Tensor | None
    picture: Tensor
    directional: float = 1.0
    views: int = 4

    def __call__(self, image: Tensor, generator: Generator) -> Tensor:
        """A scalar in 0..4.

        Args:
            image: [1, 3, H, W] in -1..1.
            generator: of the crops.
        """
        seen = self.clip.look(crops(image / 2 + 0.5, self.views, self.clip.side, generator))
        loss = 1 - functional.cosine_similarity(seen, self.target).mean()
        if self.source is not None and self.directional:
            moved, wanted = seen - self.picture, self.target - self.source
            loss = loss + self.directional * (1 - functional.cosine_similarity(moved, wanted)).mean()
        return loss


def crops(image: Tensor, count: int, side: int, generator: Generator) -> Tensor:
    """The whole of ``image`` [1, C, H, W] and ``count`` - 1 random crops of it, [count, C, side, side]."""
    height, width = image.shape[-2:]
    views = [image]
    for _ in range(count - 1):
        share, y, x = (float(value) for value in torch.rand(3, generator=generator))
        h, w = (max(1, round(length * (0.8 + 0.2 * share))) for length in (height, width))
        top, left = round(y * (height - h)), round(x * (width - w))
        views.append(image[..., top : top + h, left : left + w])
    return torch.cat(
        [functional.interpolate(view, (side, side), mode="bicubic", antialias=True) for view in views]
    ).clamp(0, 1)
