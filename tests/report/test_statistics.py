"""The report's statistics: intervals that hold the truth as often as they say, and no method parted by chance."""

import math

import numpy as np
import pytest

from tests.report.common import estimated


def test_the_interval_of_a_mean_is_the_normal_approximations():
    values = np.random.default_rng(1).normal(20, 3, 500)
    found = estimated(values, np.arange(500))
    half = 1.96 * values.std(ddof=1) / math.sqrt(500)
    assert found.mean[0, 0] == pytest.approx(values.mean())
    assert found.low[0, 0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high[0, 0] == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_interval_holds_the_truth_about_95_times_of_100():
    """400 experiments at once, as the groups; for 40 cases the percentile interval is a little short: 93 to 94."""
    values = np.random.default_rng(2).normal(5, 2, (40, 400))
    cases, groups = (part.ravel() for part in np.meshgrid(np.arange(40), np.arange(400), indexing="ij"))
    found = estimated(values.ravel(), cases, groups, 400)
    held = np.mean((found.low <= 5) & (found.high >= 5))
    assert 0.90 <= held <= 0.975


def test_seeds_of_one_case_are_drawn_together():
    """Five seeds that say the same say no more than one: the interval stays as wide."""
    values = np.random.default_rng(3).normal(0, 1, 60)
    once, five = estimated(values, np.arange(60)), estimated(np.repeat(values, 5), np.repeat(np.arange(60), 5))
    assert five.low[0, 0] == pytest.approx(once.low[0, 0]) and five.high[0, 0] == pytest.approx(once.high[0, 0])
    assert (once.count[0, 0], five.count[0, 0]) == (60, 300)


def test_undefined_values_are_left_out_and_not_counted():
    values = np.random.default_rng(4).normal(0, 1, 50)
    holes = values.copy()
    holes[::2] = np.nan
    found = estimated(holes, np.arange(50))
    assert found.mean[0, 0] == pytest.approx(values[1::2].mean()) and found.count[0, 0] == 25
    assert np.isfinite(found.low[0, 0])


def test_one_case_has_no_interval_and_none_has_no_mean():
    found = estimated([1.0, 3.0, np.nan], [0, 0, 1], [0, 0, 1], 2)
    assert found.mean[0, 0] == 2 and math.isnan(found.low[0, 0])
    assert math.isnan(found.mean[1, 0]) and found.count[1, 0] == 0


def test_methods_are_told_apart_on_the_same_cases():
    """Cases differ far more than methods do, yet every case says the same of the methods."""
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 10, 80)
    values = np.concatenate([hard, hard + 1 + rng.normal(0, 0.1, 80), hard + rng.normal(0, 0.1, 80)])
    found = estimated(values, np.tile(np.arange(80), 3), np.repeat([0, 1, 2], 80), 3)
    assert found.low[1, 0] < found.high[0, 0]  # by their own intervals they would not be
    assert found.told_apart(0, 1, 0) and not found.told_apart(0, 2, 0)
