"""Parts of pictures for measures that look at whole pictures: what is inside a mask, and what is outside it."""

from __future__ import annotations

import torch
from torch import Tensor


def cut_around(picture: Tensor, mask: Tensor) -> Tensor | None:
    """The smallest square of [C, H, W] that holds the bounding box of the mask [1, H, W]; None where it is empty.

    It is shifted into the picture, or its middle where the box is longer than the picture's shorter side. So things
    keep their shapes and surroundings; a picture with everything else painted black (PIE-Bench's way) is one that a
    network has never seen the like of.
    """
    top, left, side = square_around(mask[0])
    return picture[:, top : top + side, left : left + side] if side else None


def square_around(mask: Tensor) -> tuple[int, int, int]:
    """(top, left, side) of the square that :func:`cut_around` cuts out around [H, W]; side 0 for none."""
    rows, columns = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    if not rows:
        return 0, 0, 0
    height, width = mask.shape
    side = min(max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1), height, width)
    top, left = (rows[0] + rows[-1] + 1 - side) // 2, (columns[0] + columns[-1] + 1 - side) // 2
    return min(max(top, 0), height - side), min(max(left, 0), width - side), side


def outside_of(inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
    """The edits with the input pasted in inside the masks: nothing but what changed outside is different; [B, C, H, W].

    Nothing new, such as a black hole, comes into either picture.
    """
    return torch.where(masks > 0, inputs, edits)


def covers_all(masks: Tensor) -> Tensor:
    """Which masks [B, 1, H, W] leave nothing outside; [B]."""
    return masks.flatten(1).min(1).values > 0
