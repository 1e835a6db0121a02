"""How much of a picture an edit kept: PSNR and SSIM, over everything or outside a mask."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

_IDENTICAL = 100.0  # dB, for pictures that do not differ at all


def psnr(picture: Image.Image, edit: Image.Image, keep: Image.Image | None = None) -> float:
    """10 log10(255² / MSE) in dB, at most 100 (identical), over the pixels that should have been kept.

    Args:
        picture, edit: RGB of one size.
        keep: L of that size, white where the picture should have been kept; None for everywhere.

    Returns:
        NaN where nothing should have been kept.
    """
    error = (_values(picture) - _values(edit)).square().mean(0)
    kept = error[_where(keep)] if keep is not None else error.flatten()
    if not kept.numel():
        return float("nan")
    mse = float(kept.mean())
    return _IDENTICAL if mse == 0 else min(_IDENTICAL, float(10 * np.log10(255**2 / mse)))


def ssim(picture: Image.Image, edit: Image.Image, keep: Image.Image | None = None) -> float:
    """Structural similarity (Wang et al. 2004; Gaussian window of 11 pixels), -1..1, averaged where kept.

    Args and NaN as in :func:`psnr`. Pictures of fewer than 11 pixels along a side are enlarged first.
    """
    smallest = min(picture.size)
    if smallest < 11:
        times = -(-11 // smallest)
        size = (picture.width * times, picture.height * times)
        picture, edit = (image.resize(size) for image in (picture, edit))
        keep = keep.resize(size) if keep is not None else None
    found = structural_similarity_index_measure(
        _values(edit)[None], _values(picture)[None], data_range=255.0, return_full_image=True
    )
    per_pixel = found[1][0].mean(0)
    kept = per_pixel[_where(keep)] if keep is not None else per_pixel.flatten()
    return float(kept.mean()) if kept.numel() else float("nan")


def _values(image: Image.Image) -> Tensor:
    """[3, h, w] in 0..255."""
    return torch.from_numpy(np.array(image.convert("RGB"), np.float32)).permute(2, 0, 1)


def _where(keep: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(keep.convert("L")) > 127)
