"""Means with bootstrap intervals: cases are drawn anew, so that the seeds of one case stay together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_BLOCK = 100  # resamples at once: bounds the memory for suites of many cases


@dataclass(frozen=True)
class Estimates:
    """Of G groups' M quantities.

    Attributes:
        mean: [G, M], over all values; NaN where there is none.
        low, high: [G, M], the ends of the interval; NaN where fewer than two cases have a value.
        count: [G, M], how many values there are.
        resampled: [resamples, G, M], the means of the drawn cases; all groups saw the same draw.
    """

    mean: Floats
    low: Floats
    high: Floats
    count: Integers
    resampled: Floats

    def told_apart(self, one: int, other: int, quantity: int) -> bool:
        """Whether the interval of the difference of two groups' means, on the same draws, leaves 0 out."""
        difference = self.resampled[:, one, quantity] - self.resampled[:, other, quantity]
        low, high = _interval(difference[:, None])
        return bool(low[0] > 0 or high[0] < 0)


def estimates(
    values: Floats, cases: Integers, groups: Integers, number_of_groups: int, *, seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimates:  # fmt: skip
    """Means and 95 % percentile intervals of a cluster bootstrap (Efron and Tibshirani 1993, chapters 8 and 13).

    A case is drawn with all its values: of every group, and of every seed. The work is linear in the values, and a
    matrix product in cases × resamples.

    Args:
        values: [N, M], NaN where undefined, which is left out.
        cases, groups: [N], which case and which group a row belongs to, from 0.
        seed: of the draws; the same one gives the same intervals.
    """
    number, quantities = int(cases.max()) + 1 if cases.size else 0, values.shape[1]
    there = np.isfinite(values)
    cell = cases * number_of_groups + groups

    def added_up(weights: Floats) -> Floats:
        """[cases, groups × quantities]"""
        size = number * number_of_groups
        columns = [np.bincount(cell, weights[:, i], size) for i in range(quantities)]
        return np.array(columns, np.float64).reshape(quantities, number, -1).transpose(1, 2, 0).reshape(number, -1)

    sums, counts = added_up(np.where(there, values, 0.0)), added_up(there.astype(np.float64))
    rng, drawn = np.random.default_rng(seed), list[Floats]()
    for first in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - first)
        times = rng.multinomial(number, np.full(number, 1 / max(1, number)), size).astype(np.float64)
        drawn.append(_divided(times @ sums, times @ counts))
    resampled = np.concatenate(drawn)
    low, high = _interval(resampled)
    few = (counts > 0).sum(0) < 2  # one case says nothing about others
    shape = (number_of_groups, quantities)
    return Estimates(
        _divided(sums.sum(0), counts.sum(0)).reshape(shape),
        np.where(few, np.nan, low).reshape(shape),
        np.where(few, np.nan, high).reshape(shape),
        counts.sum(0).astype(np.int64).reshape(shape),
        resampled.reshape(resamples, *shape),
    )


def _divided(total: Floats, number: Floats) -> Floats:
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def _interval(drawn: Floats) -> tuple[Floats, Floats]:
    """The ends for each column of [resamples, K]; a draw without a value (NaN) is left out."""
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    whole = np.isfinite(drawn).all(0)
    if whole.any():
        low[whole], high[whole] = np.quantile(drawn[:, whole], tails, axis=0)
    for i in np.flatnonzero(~whole & np.isfinite(drawn).any(0)):
        low[i], high[i] = np.quantile(drawn[np.isfinite(drawn[:, i]), i], tails)
    return low, high
