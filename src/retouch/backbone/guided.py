"""How a network that was distilled to guide itself is told by how much."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def guidance_embedding(scale: float, width: int) -> Tensor:
    """A guidance scale, less 1, as sines and cosines [1, width]: ``get_guidance_scale_embedding`` of diffusers."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / (half - 1)))
    angles = 1000.0 * scale * frequencies
    embedded = torch.cat([angles.sin(), angles.cos()])
    return nn.functional.pad(embedded, (0, width % 2))[None]
