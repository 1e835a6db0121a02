"""Small planes enlarged strip by strip, so that a picture of any size is worked on in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from retouch.keep.planes import Plane

Kernel = Literal["linear", "lanczos"]


def resampling(old: int, new: int, kernel: Kernel, first: int = 0, last: int | None = None) -> tuple[Plane, int]:
    """The weights with which ``old`` values become values ``first`` to ``last`` of ``new``, and the first old one used.

    Pixels are areas, edges repeat, and where it gets smaller the kernel is widened, as Pillow does it.

    Returns:
        [last − first, used] with rows that add up to 1, and where among the old values the columns begin.
    """
    at = np.arange(first, new if last is None else last, dtype=np.float64)
    scale = old / new
    widened = max(1.0, scale)
    support = (1 if kernel == "linear" else 3) * widened
    centre = (at + 0.5) * scale - 0.5
    low = int(np.floor(centre[0] - support)) if len(centre) else 0
    high = int(np.ceil(centre[-1] + support)) + 1 if len(centre) else 1
    distance = (np.arange(low, high)[None] - centre[:, None]) / widened
    if kernel == "linear":
        weights = np.clip(1 - np.abs(distance), 0, None)
    else:
        weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    weights /= weights.sum(1, keepdims=True)
    start, stop = max(0, low), min(old, high)
    inner = weights[:, start - low : stop - low]
    if low < start:
        inner[:, 0] += weights[:, : start - low].sum(1)
    if high > stop:
        inner[:, -1] += weights[:, stop - low :].sum(1)
    return np.ascontiguousarray(inner, np.float32), start


@dataclass(frozen=True)
class Enlarged:
    """A plane [h, w, C] at another size (width, height), of which any rows can be had, between two columns.

    Attributes:
        columns: the first column and the one after the last.
    """

    plane: Plane
    size: tuple[int, int]
    columns: tuple[int, int]
    kernel: Kernel = "linear"

    @cached_property
    def _wide(self) -> Plane:
        """[h, C, columns]: enlarged along the rows."""
        weights, start = resampling(self.plane.shape[1], self.size[0], self.kernel, *self.columns)
        used = self.plane[:, start : start + weights.shape[1]].transpose(0, 2, 1)
        return np.ascontiguousarray(used @ weights.T)

    def rows(self, first: int, last: int) -> Plane:
        """[last − first, C, columns]."""
        weights, start = resampling(self.plane.shape[0], self.size[1], self.kernel, first, last)
        used = self._wide[start : start + weights.shape[1]]
        return np.asarray((weights @ used.reshape(len(used), -1)).reshape(-1, *used.shape[1:]), np.float32)


def strips(first: int, last: int, width: int, pixels: int = 2**18) -> Sequence[tuple[int, int]]:
    """Rows ``first`` to ``last`` in strips of about so many pixels."""
    step = max(1, pixels // max(1, width))
    return [(top, min(last, top + step)) for top in range(first, last, step)]
