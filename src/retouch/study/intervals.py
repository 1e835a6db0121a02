"""Intervals for means of answers that share raters and cases: variance components, Student's t, the logit scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retouch.student_t import student_t

LEVEL = 0.95

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MOST = 200.0  # degrees of freedom: there t is 1.972, and for ever more of them 1.960
_NORMAL = 1.959963984540054  # the normal distribution's 97.5 % point


class _Classes(NamedTuple):
    """Answers by what they share: each answer's class [N], and how many answers each class has."""

    of: Integers
    sizes: Floats

    @property
    def effective(self) -> float:
        """How many classes of one size say as much (after Carter, Schnepel & Steigerwald 2017): fewer, where few have
        most of the answers."""
        return float((self.sizes**2).sum() ** 2 / (self.sizes**4).sum())


def interval(values: Floats, raters: Integers, cases: Integers) -> tuple[Floats, Floats]:
    """The 95 % intervals of means that hold for other raters and other cases.

    Answers of one rater resemble each other, and so do those about one case: an answer is a mean + a rater's effect + a
    case's effect + a rest (of a rater with a case), each drawn at random. The three variances σ² are what makes the
    squared sums over raters, over cases and over both equal to their expectations, whoever was asked about what
    (Searle, Casella & McCulloch 1992, chapter 5; for complete designs, the analysis of variance); what comes out below
    0 is 0. The mean's variance is the three, each times Σ n²/N² of its classes: the estimate of two-way clustering
    (Cameron, Gelbach & Miller 2011) without its bias for few clusters. Degrees of freedom are Satterthwaite's (1946),
    as for readers and cases in radiology (Hillis 2007). The interval is of Student's t, on the logit scale, so that it
    stays within 0..1. Where all answers are equal, so that no variance shows, it is Wilson's for as many answers as
    there are raters or cases, whichever are fewer.

    Measured at a true rate of about two thirds, three to a hundred raters and cases and effects of 0 to 1 logit: a
    percentile bootstrap of the cases alone (Efron & Tibshirani 1993) covers 36 to 94 %, of raters and cases together
    (the pigeonhole bootstrap, Owen 2007) 75 to 99 %; this, 92 to 98 % (``tests/study/test_intervals.py``).

    Args:
        values: [N, K], K means at once, each value in 0..1.
        raters, cases: [N], whose answer and about what: any numbers.

    Returns:
        the ends, each [K]; 0 and 1 for fewer than two raters or two cases, who say nothing about others.
    """
    by_rater, by_case = _classes(raters), _classes(cases)
    few = min(len(by_rater.sizes), len(by_case.sizes)) if len(values) else 0
    if few < 2:
        return np.zeros(values.shape[1]), np.ones(values.shape[1])
    mean = values.mean(0)
    variance, freedom = _variance(values, by_rater, by_case)
    # to tenths, rounded down, so that each is worked out once
    reach = np.array([student_t(float(one), 1 - LEVEL) for one in np.floor(10 * freedom) / 10])
    inner = np.clip(mean, 1e-12, 1 - 1e-12)
    middle, wide = np.log(inner / (1 - inner)), reach * np.sqrt(variance) / (inner * (1 - inner))
    low, high = (0.5 + 0.5 * np.tanh((middle + side * wide) / 2) for side in (-1, 1))  # the logistic function
    share = 1 / (1 + _NORMAL**2 / few)  # Wilson's lower end where all of so many agree
    return (
        np.where(mean <= 0, 0.0, np.where(mean >= 1, share, low)),
        np.where(mean >= 1, 1.0, np.where(mean <= 0, 1 - share, high)),
    )


def _variance(values: Floats, by_rater: _Classes, by_case: _Classes) -> tuple[Floats, Floats]:
    """Of the means, and its degrees of freedom; each [K]."""
    number = len(values)
    by_both = _classes(_joined(by_rater, by_case))
    every = (by_rater, by_case, by_both)
    around = values - values.mean(0)
    squares = np.stack([_squared_sums(around, one) for one in every])  # (3, K)
    expected = np.array([[_expected(one, effect) for effect in every] for one in every])
    # where two of the three cannot be told apart (each rater has cases of its own), the least solution has their sum
    components = np.clip(np.linalg.lstsq(expected, squares, rcond=1e-9)[0], 0, None)
    shares = np.array([(one.sizes**2).sum() for one in every]) / number**2
    variance = np.maximum(shares @ components, values.var(0, ddof=1) / number)  # never below that of unrelated answers
    spent = np.zeros_like(variance)
    for one, square, component in zip(every[:2], squares[:2], components[:2], strict=True):
        own = square / number**2 * one.effective / (one.effective - 1)
        spent += np.where(component > 0, own**2, 0) / (one.effective - 1)
    rest = max(len(by_both.sizes) - len(by_rater.sizes) - len(by_case.sizes) + 1, 1)
    spent += (shares[2] * components[2]) ** 2 / rest
    least = max(1.0, min(by_rater.effective, by_case.effective) - 1)
    freedom = np.divide(variance**2, spent, out=np.full_like(variance, _MOST), where=spent > 0)
    return variance, np.clip(freedom, least, max(least, _MOST))


def _classes(labels: Integers) -> _Classes:
    _, of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return _Classes(of.reshape(-1).astype(np.int64), sizes.astype(np.float64))


def _joined(one: _Classes, other: _Classes) -> Integers:
    return one.of * len(other.sizes) + other.of


def _squared_sums(around: Floats, by: _Classes) -> Floats:
    """Σ over classes of the squared sum of what is in it: [K]."""
    starts = np.concatenate([[0], np.cumsum(by.sizes[:-1])]).astype(np.int64)
    sums: Floats = np.add.reduceat(around[np.argsort(by.of, kind="stable")], starts, axis=0)
    return (sums**2).sum(0)


def _expected(by: _Classes, effect: _Classes) -> float:
    """What effects of variance 1 add to :func:`_squared_sums` of deviations from the mean: Σ (n_kg − n_k n_g / N)²."""
    number = len(by.of)
    _, first, shared = np.unique(_joined(by, effect), return_index=True, return_counts=True)
    crossed = shared * by.sizes[by.of[first]] * effect.sizes[effect.of[first]]
    both = (by.sizes**2).sum() * (effect.sizes**2).sum() / number**2
    return float((shared.astype(np.float64) ** 2).sum() - 2 * crossed.sum() / number + both)
