"""The region of the thing that a text names, at the latents' size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.load import EMBEDDED, EMBEDDED_MODELS
from retouch.backbone.protocol import Backbone
from retouch.masks.attention import peak, split, word_heat
from retouch.masks.segmenter import Segmenter
from retouch.picture import from_array

_SILENT = {"a", "an", "the", "of", "photo", "picture", "image", "painting", "sketch", "drawing"}


def object_mask(
    model: Backbone, latents: Tensor, text: str, *, segmenter: Segmenter | None = None, seed: int = 0
) -> Tensor:
    """Where a picture shows what ``text`` names: [1, 1, h, w] in 0..1. 3 network evaluations.

    Without a segmenter the attention of the text's words, cut at Otsu's threshold; with one, what it makes of a click
    where that attention is greatest, averaged over each latent cell.

    Args:
        latents: z_0, [1, C, h, w].
        text: names the thing; articles and words such as "photo" count for nothing.
        seed: of the noise that the attention is read under.
    """
    tokens = model.tokens(text)
    words = [word for word in tokens.words if word.text not in _SILENT] or list(tokens.words)
    heat = word_heat(model, latents, text, [i for word in words for i in word.tokens], seed)
    if segmenter is None:
        return (heat > split(heat)).float()
    with torch.no_grad():
        picture = from_array(model.decode(latents)[0].cpu().numpy())
    x, y = peak(heat)
    plane = segmenter.mask(picture, points=[(x * picture.width, y * picture.height)])
    small = plane.resize((latents.shape[-1], latents.shape[-2]), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)[None, None].to(latents.device)


def segmenter_for(model: Backbone, name: str) -> Segmenter | None:
    """The segmenter called ``name``; "auto" is the embedded one for the embedded model and none for others."""
    chosen = name.strip()
    if chosen.lower() == "auto":
        chosen = EMBEDDED if model.name in EMBEDDED_MODELS else "none"
    return None if chosen.lower() in ("none", "") else Segmenter(chosen, model.device)
