"""Stable Diffusion 1.x and 2.x: one text encoder, whose last layer speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.family import SD, Family
from retouch.backbone.unet import UNetBackbone


class StableDiffusion(UNetBackbone):
    """A checkpoint of Stable Diffusion 1.x or 2.x, see :class:`retouch.backbone.unet.UNetBackbone`."""

    family: ClassVar[Family] = SD

    @torch.no_grad()
    def condition(self, prompts: Sequence[str]) -> Condition:
        """What prompts say to the network, one row each; too long ones are cut off."""
        rows = [self.tokens(prompt) for prompt in prompts]
        ids = torch.tensor([row.ids for row in rows], device=self.device)
        mask = None
        if getattr(self.text_encoder.config, "use_attention_mask", False):
            ends = torch.tensor([[row.end] for row in rows], device=self.device)
            mask = (torch.arange(ids.shape[1], device=self.device) <= ends).long()
        states: Tensor = self.text_encoder(ids, attention_mask=mask)[0]
        return Condition(states.float())
