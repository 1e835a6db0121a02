"""How much of a picture an edit kept: PSNR and SSIM, over everything or outside a mask."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from retouch.measures import pixels
from retouch.measures.batch import mask_tensor, picture_tensor


def psnr(picture: Image.Image, edit: Image.Image, keep: Image.Image | None = None) -> float:
    """10 log10(255² / MSE) in dB, over the pixels that should have been kept; 100 where they are identical, else less.

    Args:
        picture, edit: RGB of one size.
        keep: L of that size, white where the picture should have been kept; None for everywhere.

    Returns:
        NaN where nothing should have been kept.
    """
    return float(pixels.psnr(*_planes(picture, edit, keep)))


def ssim(picture: Image.Image, edit: Image.Image, keep: Image.Image | None = None) -> float:
    """Structural similarity (Wang et al. 2004; Gaussian window of 11 pixels), -1..1, averaged where kept.

    Args and NaN as in :func:`psnr`. Pictures of fewer than 11 pixels along a side are enlarged first.
    """
    return float(pixels.ssim(*_planes(picture, edit, keep)))


def _planes(picture: Image.Image, edit: Image.Image, keep: Image.Image | None) -> tuple[Tensor, Tensor, Tensor | None]:
    region = None if keep is None else mask_tensor(keep)[None]
    return picture_tensor(picture)[None], picture_tensor(edit)[None], region
