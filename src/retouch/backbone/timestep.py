"""A training timestep as networks take it, without keeping a GPU waiting."""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(timestep: int | Tensor, device: torch.device) -> Tensor:
    """One timestep, [], or one per row, [B], on the device: a number is filled in there, and not copied to it."""
    return timestep.to(device) if isinstance(timestep, Tensor) else torch.full((), timestep, device=device)
