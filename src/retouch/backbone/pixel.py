"""DeepFloyd IF: cascades that diffuse pixels. A small picture is edited, and a second stage draws it large."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.condition import Condition
from retouch.backbone.family import IF, Family
from retouch.backbone.precision import check_said
from retouch.backbone.recommended import Recommended
from retouch.backbone.saving import checkpointed
from retouch.backbone.super_resolution import SuperResolution
from retouch.backbone.unet import UNetBackbone
from retouch.prompts import Tokens, tokenize

PUBLISHED = Recommended(
    {"imagic": {"embedding_steps": 100, "embedding_learning_rate": 1e-3, "super_resolution_steps": 1500}}
)
"""Imagic's numbers for Imagen, the pixel cascade of its paper (section 4.1)."""
MAX_TOKENS = 77
"""To which IF pads every prompt: T5 itself knows no limit."""


class PixelCascade(UNetBackbone):
    """A base model of pixels, and the stage that enlarges its pictures, where there is one.

    What the methods call latents are the small pictures: "encoding" shrinks, "decoding" is the second stage. Without
    one, pictures are edited at the base model's own size.

    Args:
        super_resolution: the second stage.
        others: as for every family.
    """

    family: ClassVar[Family] = IF

    def __init__(self, name: str, *, super_resolution: SuperResolution | None = None, **others: Any) -> None:
        self.super_resolution = super_resolution
        super().__init__(name, **others)
        self.recommended = self.recommended if self.recommended.settings else PUBLISHED

    @property
    def modules(self) -> dict[str, Any]:
        """The parts that hold weights, by name."""
        second = {} if self.super_resolution is None else {"super_resolution": self.super_resolution.unet}
        return {part: getattr(self, part) for part in self.family.weighty} | second

    def gradient_checkpointing(self) -> AbstractContextManager[None]:
        """Both stages' networks recompute their activations in the backward pass."""
        second = [] if self.super_resolution is None else [self.super_resolution.unet]
        return checkpointed([self.unet, *second])

    @property
    def draws_by_text(self) -> bool:
        """With a second stage."""
        return self.super_resolution is not None

    @cached_property
    def vae_factor(self) -> int:
        """How many times larger the second stage's pictures are; 1 without one."""
        if self.super_resolution is None:
            return 1
        return self.super_resolution.side // int(self.unet.config.sample_size)

    @cached_property
    def pixel_multiple(self) -> int:
        """What a picture's sides must be multiples of."""
        multiple = self.vae_factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if self.super_resolution is None:
            return int(multiple)
        return int(max(multiple, 2 ** (len(self.super_resolution.unet.config.block_out_channels) - 1)))

    @cached_property
    def max_tokens(self) -> int:
        """The length of a padded prompt, end included."""
        return MAX_TOKENS

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The pictures shrunk to the base model's size: the mean of every square of pixels.

        Args:
            images: [B, 3, H, W] in -1..1, sides multiples of :attr:`pixel_multiple`.

        Returns:
            float32 [B, 3, H / vae_factor, W / vae_factor].
        """
        images = images.to(self.device).float()
        return functional.avg_pool2d(images, self.vae_factor) if self.vae_factor > 1 else images

    def decode(self, latents: Tensor, condition: Condition | None = None) -> Tensor:
        """The small pictures drawn large by the second stage: float32 [B, 3, H, W] in -1..1.

        Where a gradient is wanted they are enlarged by interpolation in its place.

        Args:
            condition: what they show, one row or B; None for the empty prompt.
        """
        small = latents.float().clamp(-1, 1)
        if self.super_resolution is None:
            return small
        if latents.requires_grad and torch.is_grad_enabled():
            return functional.interpolate(small, scale_factor=float(self.vae_factor), mode="bilinear")
        null = self.condition([""])
        text = null if condition is None else condition
        told = text if len(text) == len(small) else text.expand(len(small))
        return self.super_resolution.enlarge(small, self.vae_factor, told, null)

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Condition:
        """T5's states of the prompts in small letters, float32 [B, 77, dim], those of the padding as well."""
        ids = torch.tensor([self.tokens(prompt).ids for prompt in prompts], device=self.device).view(-1, MAX_TOKENS)
        ends = (ids == self.tokenizer.eos_token_id).long()
        read = ((ends.cumsum(1) - ends) == 0).long()  # up to the end
        states = self.text_encoder(ids, attention_mask=read).last_hidden_state
        check_said(states, self.text_encoder.dtype, self.name)
        return Condition(states.reshape(len(prompts), -1, states.shape[-1]).float())

    def tokens(self, prompt: str) -> Tokens:
        """The prompt's words and tokens, in the order of the condition's embeddings."""
        return replace(tokenize(self.tokenizer, prompt.lower(), self.max_tokens, self.chunks), prompt=prompt)

    def predict(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """What the network predicts without the variances beside it; as for every family."""
        return super().predict(latents, timestep, condition)[:, : latents.shape[1]]
