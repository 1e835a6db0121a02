"""Small harm to pictures, so that what judges them also holds on decoded ones: shift, blur, noise, brightness."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augmented(images: Tensor, random: torch.Generator, shift: int = 4) -> Tensor:
    """Images [B, 3, H, W] in [-1, 1], each a little harmed; one in four stays as it is.

    Blur is a passage through a smaller picture: an autoencoder's own way of losing detail.
    """
    count, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(count, 1, 1, 1, generator=random, device=images.device)
        return low + (high - low) * drawn

    padded = F.pad(images, (shift,) * 4, mode="replicate")
    dy, dx = torch.randint(0, 2 * shift + 1, (2,), generator=random, device=images.device).tolist()
    moved = padded[:, :, dy : dy + height, dx : dx + width]
    small = int(height * (0.5 + 0.35 * torch.rand(1, generator=random, device=images.device).item()))
    down = F.interpolate(moved, size=small, mode="bilinear", align_corners=False, antialias=True)
    blurred = F.interpolate(down, size=height, mode="bilinear", align_corners=False)
    harmed = moved + uniform(0, 1) * (blurred - moved)
    noise = torch.randn(images.shape, generator=random, device=images.device)
    harmed = harmed * uniform(0.88, 1.12) + uniform(-0.08, 0.08) + uniform(0, 0.08) * noise
    return torch.where(uniform(0, 1) < 0.25, images, harmed).clamp(-1, 1)
