"""Stable Diffusion 1.x and 2.x: one text encoder, whose last layer speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from retouch.backbone.condition import Condition
from retouch.backbone.family import SD, Family
from retouch.backbone.unet import UNetBackbone


class StableDiffusion(UNetBackbone):
    """A checkpoint of Stable Diffusion 1.x or 2.x, see :class:`retouch.backbone.unet.UNetBackbone`."""

    family: ClassVar[Family] = SD

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Condition:
        """What prompts say to the network, one row each; too long ones are cut off."""
        states, _ = self.spoken(self.text_encoder, self.tokenizer, prompts, self.clip_skip)
        if self.clip_skip:
            inner = getattr(self.text_encoder, "text_model", self.text_encoder)  # by the version of transformers
            states = inner.final_layer_norm(states.to(inner.final_layer_norm.weight.dtype)).float()
        return Condition(states)
