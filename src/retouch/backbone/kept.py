"""What a model's texts and last pictures were read as, kept: several edits of one picture read them once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from retouch.backbone.condition import Condition

_TEXTS, _PICTURES = 64, 2
_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


class Kept:
    """The last 64 texts and 2 pictures. What is handed out are copies: nobody can change what is kept."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, Hashable], Condition] = OrderedDict()
        self._pictures: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()

    def clear(self) -> None:
        """Forgets all: the weights may be others from here on."""
        self._texts.clear()
        self._pictures.clear()

    def condition(self, prompts: Sequence[str], how: Hashable, read: Callable[[Sequence[str]], Condition]) -> Condition:
        """What prompts say, one row each; ``read`` is asked for those that are not known.

        Args:
            how: what else it depends on.
        """
        missing = [prompt for prompt in dict.fromkeys(prompts) if (prompt, how) not in self._texts]
        found = dict(zip(missing, read(missing).split(), strict=True)) if missing else {}
        for prompt in prompts:
            if prompt not in found:
                found[prompt] = self._texts[prompt, how]
        for prompt, said in found.items():
            _keep(self._texts, (prompt, how), said, _TEXTS)
        return Condition.cat([found[prompt] for prompt in prompts])

    def encoded(self, images: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """The latents of pictures [B, 3, H, W]; one alone is kept."""
        for key, (known, latents) in self._pictures.items():
            if known.shape == images.shape and known.device == images.device and torch.equal(known, images):
                self._pictures.move_to_end(key)
                return latents.clone()
        latents = encode(images)
        if len(images) == 1:
            copied = images.detach().clone()
            _keep(self._pictures, id(copied), (copied, latents.clone()), _PICTURES)
        return latents


def _keep(kept: OrderedDict[_Key, _Kept], key: _Key, value: _Kept, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
