"""The host's pictures, [B, H, W, C] in 0..1, and masks, [B, H, W], as PIL pictures and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.errors import BadPicture


def pictures_of(images: Tensor, name: str) -> list[Image.Image]:
    """A batch as RGB pictures; what is transparent is left out, grey becomes colours.

    Raises:
        BadPicture: for another shape, or numbers that are none.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        raise BadPicture(f"{name} has the shape {list(images.shape)}, expected [pictures, height, width, 3].")
    planes = images[..., :3] if images.shape[-1] > 1 else images.expand(*images.shape[:-1], 3)
    return [Image.fromarray(one) for one in _bytes(planes, name)]


def masks_of(masks: Tensor, name: str) -> list[Image.Image]:
    """A batch as pictures of mode L, 255 inside; a single mask may lack the first dimension.

    Raises:
        BadPicture: for another shape, or numbers that are none.
    """
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3 or 0 in masks.shape:
        raise BadPicture(f"{name} has the shape {list(masks.shape)}, expected [masks, height, width].")
    return [Image.fromarray(one) for one in _bytes(masks, name)]


def images_from(pictures: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size as [B, H, W, 3]: bytes over 255, as the host itself reads a file."""
    return torch.stack([torch.from_numpy(np.asarray(one.convert("RGB"), np.float32) / 255) for one in pictures])


def masks_from(pictures: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size as masks [B, H, W]."""
    return torch.stack([torch.from_numpy(np.asarray(one.convert("L"), np.float32) / 255) for one in pictures])


def one_each(images: Sequence[Image.Image], others: Sequence[Image.Image], name: str) -> list[Image.Image]:
    """Of each picture its own of the others; where there is one, it goes with all.

    Raises:
        BadPicture: for another number.
    """
    if len(others) not in (1, len(images)):
        raise BadPicture(f"there are {len(images)} pictures and {len(others)} for {name}: give one, or one for each.")
    return list(others) if len(others) == len(images) else [others[0]] * len(images)


def _bytes(values: Tensor, name: str) -> np.ndarray:
    plain = values.detach().float().cpu()
    if not bool(torch.isfinite(plain).all()):
        raise BadPicture(f"{name} holds numbers that are infinite or none: look at the node that it comes from.")
    return (plain.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
