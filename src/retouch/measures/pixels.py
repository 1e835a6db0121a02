"""How far two pictures lie apart, pixel by pixel: MSE, PSNR and SSIM, everywhere or in a region.

All take pictures ``a`` and ``b`` [B, 3, H, W] in 0..1 and an optional ``region`` [B, 1, H, W] of 0 and 1, and give [B].
With a region the average goes over its pixels alone; where it is empty the value is NaN. All are symmetric in a and b.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from retouch.measures.batch import Batch
from retouch.measures.measure import Measure, Region
from retouch.quantity import Better

MOST_DECIBELS = 100.0
"""PSNR of pictures that do not differ at all, where the formula gives infinity."""

_WINDOW = 11  # pixels


def mse(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Mean squared error, mean of (a - b)² over pixels and channels: 0 (identical) .. 1; [B]."""
    return _average((a - b).square(), region)


def psnr(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(1 / MSE) in dB: 0 .. 100, where 100 stands for 100 and more; [B]."""
    return (-10 * mse(a, b, region).log10()).clamp(max=MOST_DECIBELS)


def ssim(a: Tensor, b: Tensor, region: Tensor | None = None) -> Tensor:
    """Structural similarity (Wang et al. 2004): -1 .. 1 (identical), the average of :func:`ssim_map`; [B].

    The value of a pixel is that of the window around it, so that windows at a region's edge look over it.
    """
    return _average(ssim_map(a, b), region if region is None else enlarged(region))


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of the window around every pixel, the mean over channels: [B, 1, h, w].

    (2 μa μb + c1)(2 σab + c2) / ((μa² + μb² + c1)(σa² + σb² + c2)) with Gaussian weights (11 × 11, σ 1.5), c1 = 0.01²,
    c2 = 0.03²; pictures are continued by reflection. (h, w) is that of :func:`enlarged` pictures.
    """
    channels = zip(enlarged(b).split(1, 1), enlarged(a).split(1, 1), strict=True)  # one by one: it takes much memory
    # the map and not the mean: which pixels count in the mean differs between versions of torchmetrics
    maps = [structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)[1] for pair in channels]
    return torch.stack(maps).mean(0)


def enlarged(planes: Tensor) -> Tensor:
    """Pictures or regions [B, C, H, W] with every pixel repeated until SSIM's window fits; larger ones as they are."""
    times = -(-_WINDOW // min(planes.shape[-2:]))
    return planes if times == 1 else planes.repeat_interleave(times, -1).repeat_interleave(times, -2)


def _average(values: Tensor, region: Tensor | None) -> Tensor:
    per_pixel = values.mean(1).flatten(1)
    if region is None:
        return per_pixel.mean(1)
    weights = region.flatten(1).to(per_pixel)
    return (per_pixel * weights).sum(1) / weights.sum(1)  # 0 / 0 is the NaN of an empty region


def nan_where(undefined: Tensor, values: Tensor) -> Tensor:
    """[B] values, NaN where [B] ``undefined``."""
    return torch.where(undefined.to(values.device), torch.nan, values)


def _regions(
    function: Callable[..., Tensor], title: str, unit: str, better: Better, help: str, groups: tuple[str, ...]
) -> list[Measure]:
    """The measure of the whole picture, inside the mask and outside it."""

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

    return [
        measure("", whole, help),
        measure("inside", inside, "over the mask's pixels alone"),
        measure("outside", outside, "over the pixels outside the mask alone"),
    ]


MEASURES = (
    *_regions(psnr, "PSNR", "dB", "higher", "edit against input; 100 for identical pictures", ("default",)),
    *_regions(ssim, "SSIM", "", "higher", "structural similarity of edit and input (Wang et al. 2004)", ("default",)),
    *_regions(mse, "MSE", "", "lower", "mean squared difference of edit and input, of values in 0..1", ("default",)),
)
