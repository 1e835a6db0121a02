"""SDXL (Podell et al. 2023): two text encoders, a vector for the whole text, and the size of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.family import SDXL, Family
from retouch.backbone.unet import UNetBackbone


class StableDiffusionXL(UNetBackbone):
    """A checkpoint of SDXL, see :class:`retouch.backbone.unet.UNetBackbone`.

    Args:
        text_encoder_2: the one with a projection, whose vector stands for the whole text.
        tokenizer_2: its tokenizer; both know the same words, and pad differently.
        zeros_for_empty: whether the empty prompt is all zeros, and not what the encoders say of it
            (``force_zeros_for_empty_prompt``).
        others: as for every family.
    """

    family: ClassVar[Family] = SDXL

    def __init__(
        self, name: str, *, text_encoder_2: Any, tokenizer_2: Any, zeros_for_empty: bool = True, **others: Any
    ) -> None:
        self.text_encoder_2, self.tokenizer_2, self.zeros_for_empty = text_encoder_2, tokenizer_2, zeros_for_empty
        super().__init__(name, **others)

    @cached_property
    def max_tokens(self) -> int:
        """The length of a padded prompt, start and end included: the shorter of the two encoders'."""
        both = ((self.tokenizer, self.text_encoder), (self.tokenizer_2, self.text_encoder_2))
        limits = [
            int(limit) for one, encoder in both
            for limit in (one.model_max_length, encoder.config.max_position_embeddings)
        ]  # fmt: skip
        return min(limits)

    @property
    def text_width(self) -> int:
        """The width of the token embeddings: both encoders' side by side."""
        return int(self.text_encoder.config.hidden_size + self.text_encoder_2.config.hidden_size)

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Condition:
        """What prompts say to the network, one row each; too long ones are cut off.

        Token embeddings are the last layer's but one of both encoders (CLIP-L's 768 beside OpenCLIP bigG's 1280), the
        pooled vector the second's projection of its end token.
        """
        states, pooled = list[Tensor](), Tensor()
        for tokenizer, encoder in ((self.tokenizer, self.text_encoder), (self.tokenizer_2, self.text_encoder_2)):
            embedded, said = self.spoken(encoder, tokenizer, prompts, 1 + self.clip_skip)
            states.append(embedded)
            pooled = said[0][:: self.chunks].float()  # of a long prompt's first chunk
        embeds = torch.cat(states, dim=-1)
        if self.zeros_for_empty:
            told = torch.tensor([float(bool(prompt)) for prompt in prompts], device=self.device)
            embeds, pooled = embeds * told[:, None, None], pooled * told[:, None]
        return Condition(embeds, pooled)

    def added(self, condition: Condition, latents: Tensor) -> dict[str, Tensor]:
        """The pooled vector and the sizes: (height, width, crop's top, left, height, width) in pixels.

        Where a condition names no sizes they are those of the picture at hand, uncropped, as diffusers' pipeline has
        them by default.
        """
        assert condition.pooled is not None
        sizes = condition.sizes
        if sizes is None:
            sizes = self._uncropped(latents.shape[-2], latents.shape[-1], self.device).expand(len(latents), -1)
        # in mixed precision torch puts tensors side by side that are of its own half or of float32, and of no other
        kind = torch.float32 if torch.is_autocast_enabled(self.device.type) else self.dtype
        return {"text_embeds": condition.pooled.to(kind), "time_ids": sizes.to(kind)}

    def _uncropped(self, h: int, w: int, device: torch.device) -> Tensor:
        """Those of pictures of h·w cells, [1, 6]: copied to the device once, and not at every step."""
        if (h, w, device) not in self._sizes:
            height, width = h * self.vae_factor, w * self.vae_factor
            self._sizes[h, w, device] = torch.tensor([[height, width, 0, 0, height, width]], device=device)
        return self._sizes[h, w, device]

    @cached_property
    def _sizes(self) -> dict[tuple[int, int, torch.device], Tensor]:
        return {}
