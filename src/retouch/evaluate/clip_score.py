"""CLIP score (Hessel et al. 2021): how well a picture fits a sentence."""

from __future__ import annotations

from os import PathLike

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.clip import Clip
from retouch.backbone.load import EMBEDDED


class ClipScorer:
    """A CLIP model that scores pictures against sentences.

    Args:
        name: ``"diorama"`` for the embedded one, a folder with a transformers CLIP model, or a hub name such as
            ``openai/clip-vit-large-patch14``.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str | PathLike[str] = EMBEDDED) -> None:
        self.clip = Clip(name)

    @torch.no_grad()
    def score(self, image: Image.Image, text: str) -> float:
        """100 · cosine of picture and sentence, -100..100, as benchmarks print it (never clipped at 0).

        The picture's shorter side is scaled to the model's and the middle square cut out, as the model's own
        preprocessing says. Sentences too long for the model are cut off.
        """
        return float(100 * (self.clip.look(self._pixels(image)) * self.clip.read(text)).sum())

    def _pixels(self, image: Image.Image) -> Tensor:
        side = self.clip.side
        scale = side / min(image.size)
        size = (max(side, round(image.width * scale)), max(side, round(image.height * scale)))
        resample = Image.Resampling(self.clip.preprocessing.get("resample", Image.Resampling.BICUBIC))
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        small = image.convert("RGB").resize(size, resample).crop((left, top, left + side, top + side))
        return torch.from_numpy(np.asarray(small, np.float32).transpose(2, 0, 1)[None] / 255)
