"""CLIP score (Hessel et al. 2021): how well a picture fits a sentence."""

from __future__ import annotations

from os import PathLike

import torch
from PIL import Image

from retouch.backbone.clip import Clip
from retouch.backbone.load import EMBEDDED
from retouch.measures.clip import clip_score, prepared


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

        Args:
            image: in any mode and size.
            text: the sentence.
        """
        seen = self.clip.look(prepared(self.clip, [image]))
        return float(clip_score(seen, self.clip.read(text)))
