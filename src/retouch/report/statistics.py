"""Means with bootstrap intervals, and which means differ; a case counts as one, so that its seeds stay together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retouch.student_t import student_t

RESAMPLES = 2000
LEVEL = 0.95
FEWEST = 6
"""Cases that two methods must share before they are told apart: five all say the same by chance 6 times of 100."""

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
        by_case: [cases, G, M], the means of each case's values; NaN where it has none.
    """

    mean: Floats
    low: Floats
    high: Floats
    count: Integers
    by_case: Floats

    def told_apart(
        self, one: int, other: int, quantity: int, *, ideal: float | None = None, comparisons: int = 1
    ) -> bool:
        """Whether two groups' means differ by more than chance: a paired t-test of the cases that both have, at 5 %.

        The bootstrap's intervals are too narrow for this: of six cases they part two equal groups 13 times of 100.

        Args:
            ideal: a number, where it is how far the means are from it that is compared; then both their difference
                and their sum, counted from there, must differ from 0, since |a| = |b| where either is 0.
            comparisons: how many such questions are asked at once; the 5 % are of a wrong answer to any (Bonferroni).

        Returns:
            False for fewer than :data:`FEWEST` cases.
        """
        pairs = self.by_case[:, [one, other], quantity] - (ideal or 0)
        pairs = pairs[np.isfinite(pairs).all(1)]
        if len(pairs) < FEWEST:
            return False
        shown, shared = self.mean[[one, other], quantity] - (ideal or 0), pairs.mean(0)
        if ideal is not None:
            shown, shared = abs(shown), abs(shared)
        if (shown[0] - shown[1]) * (shared[0] - shared[1]) <= 0:  # the order is that of cases only one of them has
            return False
        chance = (1 - LEVEL) / comparisons
        return _off_zero(pairs[:, 0] - pairs[:, 1], chance) and (ideal is None or _off_zero(pairs.sum(1), chance))


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
    shape = (number_of_groups, quantities)
    if not number or not quantities:
        nothing = np.full(shape, np.nan)
        return Estimates(nothing, nothing, nothing, np.zeros(shape, np.int64), np.full((number, *shape), np.nan))
    there = np.isfinite(values)
    cell = cases * number_of_groups + groups

    def added_up(weights: Floats) -> Floats:
        """[cases, groups × quantities]"""
        size = number * number_of_groups
        columns = [np.bincount(cell, weights[:, i], size) for i in range(quantities)]
        planes = np.array(columns, np.float64).reshape(quantities, number, number_of_groups)
        return planes.transpose(1, 2, 0).reshape(number, number_of_groups * quantities)

    sums, counts = added_up(np.where(there, values, 0.0)), added_up(there.astype(np.float64))
    rng, drawn = np.random.default_rng(seed), list[Floats]()
    for first in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - first)
        times = rng.multinomial(number, np.full(number, 1 / number), size).astype(np.float64)
        drawn.append(_divided(times @ sums, times @ counts))
    low, high = _interval(np.concatenate(drawn))
    few = (counts > 0).sum(0) < 2  # one case says nothing about others
    return Estimates(
        _divided(sums.sum(0), counts.sum(0)).reshape(shape),
        np.where(few, np.nan, low).reshape(shape),
        np.where(few, np.nan, high).reshape(shape),
        counts.sum(0).astype(np.int64).reshape(shape),
        _divided(sums, counts).reshape(number, *shape),
    )


def _divided(total: Floats, number: Floats) -> Floats:
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def _off_zero(values: Floats, chance: float) -> bool:
    """Whether the t interval of a mean, which misses it by ``chance``, leaves 0 out."""
    reach = student_t(len(values) - 1, chance) * values.std(ddof=1) / math.sqrt(len(values))
    return bool(abs(values.mean()) > reach)


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
