"""How a network that was distilled to guide itself is told by how much."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn


def guidance_embedding(scale: float, width: int) -> Tensor:
    """A guidance scale, less 1, as sines and cosines [1, width]: ``get_guidance_scale_embedding`` of diffusers."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10000.0) / (half - 1)))
    angles = 1000.0 * scale * frequencies
    embedded = torch.cat([angles.sin(), angles.cos()])
    return nn.functional.pad(embedded, (0, width % 2))[None]


def told_guidance(config: Any, scale: float, device: torch.device, dtype: torch.dtype, rows: int) -> Tensor | None:
    """The embedding of w − 1 for networks that were distilled to guide themselves; None for others.

    As diffusers' pipelines pass it. All of these rows are guided by ``scale``, w; at 1 they are not.

    Args:
        config: the network's.
    """
    width = config.time_cond_proj_dim
    return None if width is None else _on_device(scale - 1, width, device, dtype).expand(rows, -1)


@lru_cache(maxsize=8)
def _on_device(scale: float, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Copied to the device once, and not at every step."""
    return guidance_embedding(scale, width).to(device, dtype)
