"""Whether an edit left alone what it was not asked for: untouched pixels, shift, sharpness and tone.

All take ``inputs`` and ``edits`` [B, 3, H, W] in 0..1 and an optional ``region`` [B, 1, H, W] of 0 and 1, and give [B]:
over the region's pixels alone where there is one, NaN where it is empty.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from retouch.measures.pixels import average, in_regions
from retouch.measures.shift import shift_between
from retouch.measures.spread import spread

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def untouched(inputs: Tensor, edits: Tensor, region: Tensor | None = None) -> Tensor:
    """The share of pixels whose three values are the input's, exactly: 0 .. 1 (every one); [B]."""
    return average((inputs == edits).all(1, keepdim=True).to(inputs), region)


def shift(inputs: Tensor, edits: Tensor, region: Tensor | None = None) -> Tensor:
    """How far the edit lies from the input, in pixels, from 0 (in place) on; [B].

    By phase correlation of the pictures' light, refined to a small part of a pixel, see
    :func:`retouch.measures.shift.shift_between`. NaN also where the region is flat, or what is there has too little in
    common to be laid over the input.
    """
    region = torch.ones_like(inputs[:, :1]) if region is None else region
    before, after = (_planes(255 * _light(pictures))[:, 0] for pictures in (inputs, edits))
    places = _planes(region)[:, 0] > 0
    found = spread(lambda three: math.hypot(*shift_between(*three)), zip(before, after, places, strict=True))
    return torch.tensor(found).to(inputs)


def sharpness(inputs: Tensor, edits: Tensor, region: Tensor | None = None) -> Tensor:
    """How much fine detail the edit has for the input's: from 0 (none) on, 1 as sharp; more is sharper, or noise; [B].

    √(V(edit) / V(input)), V the variance of the Laplacian of the light (Pech-Pacheco et al. 2000). In a region those
    pixels count whose four neighbours lie in it, so that a change beside it is not seen. NaN where the input has no
    detail and the edit has some.
    """
    inner = None if region is None else -functional.max_pool2d(-_bordered(region), 3, 1)
    one, other = (_variance(_laplacian(_light(pictures)), inner) for pictures in (inputs, edits))
    return torch.where(one == other, 1.0, (other / one).sqrt()).where((one > 0) | ~(other > 0), torch.nan)


def tone_drift(inputs: Tensor, edits: Tensor, region: Tensor | None = None) -> Tensor:
    """How far the mean colour moved, in levels of 255: from 0 on, the mean over channels of |mean(edit - input)|; [B].

    What is brighter here and darker there to the same amount, such as noise or a softer edge, is no drift.
    """
    drift = [average(edits[:, i : i + 1] - inputs[:, i : i + 1], region).abs() for i in range(3)]
    return 255 * torch.stack(drift).mean(0)


def _light(pictures: Tensor) -> Tensor:
    """[B, 1, H, W]."""
    return (pictures * pictures.new_tensor(_LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def _laplacian(plane: Tensor) -> Tensor:
    """The four neighbours' sum less four times the pixel; three times as fast as a convolution."""
    wide = _bordered(plane)
    across, down = wide[..., 1:-1, :], wide[..., 1:-1]
    return across[..., :-2] + across[..., 2:] + down[..., :-2, :] + down[..., 2:, :] - 4 * plane


def _bordered(plane: Tensor) -> Tensor:
    return functional.pad(plane, (1, 1, 1, 1), "replicate")


def _variance(plane: Tensor, region: Tensor | None) -> Tensor:
    return average(plane.square(), region) - average(plane, region).square()


def _planes(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return tensor.detach().to("cpu", torch.float32).numpy()


_GROUPS = ("default", "keeping")

MEASURES = (
    *in_regions(
        untouched, "untouched pixels", "%", "higher", "share of pixels that are the input's own, byte for byte",
        _GROUPS, ("", "outside"),
    ),
    *in_regions(
        shift, "shift", "pixels", "lower", "pixels by which the edit lies off the input (phase correlation, refined)",
        _GROUPS, ("", "outside"),
    ),
    *in_regions(
        sharpness, "sharpness", "", "one", "√ of the ratio of the Laplacian's variances, edit to input; 1 as sharp",
        _GROUPS, ("", "outside"),
    ),
    *in_regions(
        tone_drift, "tone drift", "levels", "lower", "levels of 255 by which the mean colour moved, mean over channels",
        _GROUPS, ("", "outside"),
    ),
)  # fmt: skip
