"""How far two pictures lie apart, pixel by pixel: MSE, PSNR and SSIM, everywhere or in a region.

All take pictures ``a`` and ``b`` [B, 3, H, W] in 0..1 and an optional ``region`` [B, 1, H, W] of 0 and 1, and give [B].
With a region the average goes over its pixels alone; where it is empty the value is NaN. All are symmetric in a and b.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retouch.measures.batch import Batch
from retouch.measures.measure import Measure, Region
from retouch.measures.spread import spread
from retouch.quantity import IDENTICAL, MOST_DIFFERENT, Better

Plane = NDArray[np.float32]

_WINDOW = 11  # pixels
_GAUSS = cv2.getGaussianKernel(_WINDOW, 1.5, cv2.CV_64F)
_C1, _C2 = np.float32(0.01**2), np.float32(0.03**2)


def mse(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean squared error, mean of (a - b)² over pixels and channels: 0 (identical) .. 1; [B]."""
    return _average((a - b).square(), region)


def psnr(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(1 / MSE) in dB, from 0 on; [B].

    100 where no pixel differs, where the formula gives infinity; what differs has 99.99 at most.
    """
    error = mse(a, b, region)
    return torch.where(error == 0, IDENTICAL, (-10 * error.log10()).clamp(max=MOST_DIFFERENT))


def ssim(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004): -1 .. 1 (identical), the average of :func:`ssim_map`; [B].

    The value of a pixel is that of the window around it, so that windows at a region's edge look over it.
    """
    return _average(ssim_map(a, b), region if region is None else enlarged(region))


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of the window around every pixel, the mean over channels: [B, 1, h, w].

    (2 μa μb + c1)(2 σab + c2) / ((μa² + μb² + c1)(σa² + σb² + c2)) with Gaussian weights (11 × 11, σ 1.5), c1 = 0.01²,
    c2 = 0.03²; pictures are continued by reflection. (h, w) is that of :func:`enlarged` pictures.

    OpenCV's separable filter takes a fifteenth of the time of torchmetrics' convolution, and agrees with it to 1e-5.
    """
    one, other = (enlarged(plane).detach().to("cpu", torch.float32).numpy() for plane in (a, b))
    maps = spread(_ssim_of_picture, zip(one, other, strict=True))
    return torch.from_numpy(np.stack(maps))[:, None].to(a)


def _ssim_of_picture(pair: tuple[Plane, Plane]) -> Plane:
    """The mean of the channels' maps, [h, w] of two pictures [3, h, w]."""
    return np.asarray(np.mean([_ssim_of(x, y) for x, y in zip(*pair, strict=True)], axis=0), np.float32)


def _ssim_of(x: Plane, y: Plane) -> Plane:
    """The map of one channel, [h, w]; exactly 1 where the windows are equal."""
    mx, my, squares, product = (_blurred(plane) for plane in (x, y, x * x + y * y, x * y))
    means, both = mx * my, mx * mx + my * my
    found = (2 * means + _C1) * (2 * (product - means) + _C2) / ((both + _C1) * (squares - both + _C2))
    return np.asarray(found, np.float32)


def _blurred(plane: Plane) -> Plane:
    return np.asarray(cv2.sepFilter2D(plane, cv2.CV_32F, _GAUSS, _GAUSS, borderType=cv2.BORDER_REFLECT_101))


def enlarged(planes: Tensor) -> Tensor:
    """Pictures or regions [B, C, H, W] with every pixel repeated until SSIM's window fits; larger ones as they are."""
    times = -(-_WINDOW // min(planes.shape[-2:]))
    return planes if times == 1 else planes.repeat_interleave(times, -1).repeat_interleave(times, -2)


def _average(values: Tensor, region: Tensor | None) -> Tensor:
    return average(values.mean(1, keepdim=True), region)


def average(plane: Tensor, region: Tensor | None = None) -> Tensor:
    """The mean of [B, 1, H, W] over the pixels of a region, or all; NaN where it is empty; [B]."""
    per_pixel = plane.flatten(1)
    if region is None:
        return per_pixel.mean(1)
    weights = region.flatten(1).to(per_pixel)
    return (per_pixel * weights).sum(1) / weights.sum(1)  # 0 / 0 is the NaN of an empty region


def nan_where(undefined: Tensor, values: Tensor) -> Tensor:
    """[B] values, NaN where [B] ``undefined``."""
    return torch.where(undefined.to(values.device), torch.nan, values)


def in_regions(
    function: Callable[..., Tensor],
    title: str,
    unit: str,
    better: Better,
    help: str,
    groups: tuple[str, ...],
    regions: tuple[Region, ...] = ("", "inside", "outside"),
) -> list[Measure]:
    """The measure of the whole picture, inside the mask and outside it.

    Args:
        function: of inputs, edits and perhaps a region; the measures bear its name.
    """

    def whole(batch: Batch) -> Tensor:
        return function(batch.inputs, batch.edits)

    def inside(batch: Batch) -> Tensor:
        return function(batch.inputs, batch.edits, batch.inside)

    def outside(batch: Batch) -> Tensor:
        return function(batch.inputs, batch.edits, batch.outside)

    def measure(region: Region, compute: Callable[[Batch], Tensor], help: str) -> Measure:
        return Measure(
            f"{function.__name__}.{region}".rstrip("."), f"{title} {region} the mask" if region else title, unit,
            better, help, "" if region == "inside" else "kept", compute=compute, masked=bool(region),
            groups=() if region == "inside" else groups,
        )  # fmt: skip

    every = {
        "": measure("", whole, help),
        "inside": measure("inside", inside, "over the mask's pixels alone"),
        "outside": measure("outside", outside, "over the pixels outside the mask alone"),
    }
    return [every[region] for region in regions]


_SIMILARITY = (
    "structural similarity of edit and input (Wang et al. 2004); windows at the border see the picture mirrored, and "
    "count, where scikit-image leaves them out"
)
_DECIBELS = "edit against input; 100 where no pixel differs, 99.99 at most otherwise"

MEASURES = (
    *in_regions(psnr, "PSNR", "dB", "higher", _DECIBELS, ("default",)),
    *in_regions(ssim, "SSIM", "", "higher", _SIMILARITY, ("default",)),
    *in_regions(mse, "MSE", "", "lower", "mean squared difference of edit and input, of values in 0..1", ("default",)),
)
