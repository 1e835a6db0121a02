"""Intervals of rates: they hold the true rate about 95 times of 100, whoever was asked about what."""

import numpy as np
import pytest

from retouch.student_t import student_t
from retouch.study.intervals import interval
from retouch.study.sheets import dealt

TIMES = 1500  # studies of each kind: a coverage of 95 % is then known to within 0.6
EFFECTS = ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.5, 1.5), (1.5, 0.5), (1.0, 1.0))
"""Standard deviations of raters' and of cases' effects, in logits."""


def crossed(raters, cases):
    """Every rater is asked about every case."""
    return np.repeat(np.arange(raters), cases), np.tile(np.arange(cases), raters)


def dealt_out(raters, cases, each):
    """Every rater is asked about some of the cases, as on the sheets."""
    hands = [dealt({0: list(range(cases))}, each, rater, "test") for rater in range(1, raters + 1)]
    return np.repeat(np.arange(raters), each), np.array(hands).ravel()


def true_rate(mean, spread):
    """Of answers whose logits have this mean and standard deviation."""
    places = np.linspace(-8, 8, 2001)
    weights = np.exp(-(places**2) / 2)
    return (weights / weights.sum()) @ (1 / (1 + np.exp(-mean - spread * places)))


def answered(rng, raters, cases, of_raters, of_cases, mean, times=TIMES):
    """[N, times]: so many studies of other raters and other cases."""
    logits = mean + rng.normal(0, of_raters, (raters.max() + 1, times))[raters]
    logits += rng.normal(0, of_cases, (cases.max() + 1, times))[cases]
    return (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


def coverage(raters, cases, of_raters, of_cases, mean, seed):
    values = answered(np.random.default_rng(seed), raters, cases, of_raters, of_cases, mean)
    low, high = interval(values, raters, cases)
    truth = true_rate(mean, np.hypot(of_raters, of_cases))
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize(("raters", "cases"), [(8, 20), (20, 8), (50, 3), (3, 50), (100, 3), (3, 100)])
def test_intervals_cover_the_rate_where_all_raters_answer_about_all_cases(raters, cases):
    for seed, (of_raters, of_cases) in enumerate(EFFECTS):
        for mean in (0.0, 0.8):
            found = coverage(*crossed(raters, cases), of_raters, of_cases, mean, seed)
            assert 0.92 <= found <= 0.98, (of_raters, of_cases, mean)


@pytest.mark.parametrize(("raters", "cases"), [(8, 20), (50, 3), (3, 100)])
def test_intervals_cover_the_rate_where_answers_share_nothing(raters, cases):
    for mean in (0.0, 0.8):
        assert 0.94 <= coverage(*crossed(raters, cases), 0, 0, mean, 9) <= 0.99


@pytest.mark.parametrize(("raters", "cases", "each"), [(8, 60, 20), (50, 50, 3), (30, 100, 3), (5, 100, 30)])
def test_intervals_cover_the_rate_where_raters_answer_about_different_cases(raters, cases, each):
    for seed, (of_raters, of_cases) in enumerate(EFFECTS):
        found = coverage(*dealt_out(raters, cases, each), of_raters, of_cases, 0.8, seed)
        assert 0.92 <= found <= 0.98, (of_raters, of_cases)


def test_of_complete_designs_the_variance_is_that_of_the_analysis_of_variance():
    """By its textbook's formulae: mean squares of raters, of cases and of the rest, and Satterthwaite's freedom."""
    many, few = 12, 5
    raters, cases = crossed(many, few)
    rng = np.random.default_rng(3)
    value = 0.6 + 0.06 * (rng.normal(size=many)[raters] + rng.normal(size=few)[cases] + rng.normal(size=len(raters)))
    table, mean = value.reshape(many, few), value.mean()
    by_rater, by_case = table.mean(1), table.mean(0)
    squares = few * by_rater.var(ddof=1), many * by_case.var(ddof=1)
    rest = ((table - by_rater[:, None] - by_case + mean) ** 2).sum() / ((many - 1) * (few - 1))
    assert min(squares) > rest  # else a component is 0
    variance = (sum(squares) - rest) / value.size
    spent = squares[0] ** 2 / (many - 1) + squares[1] ** 2 / (few - 1) + rest**2 / ((many - 1) * (few - 1))
    freedom = (variance * value.size) ** 2 / spent
    low, high = interval(value[:, None], raters, cases)
    reach = (np.log(high / (1 - high)) - np.log(low / (1 - low))) / 2 * mean * (1 - mean) / variance**0.5
    assert freedom < 20 and reach[0] == pytest.approx(student_t(np.floor(10 * freedom) / 10, 0.05), rel=1e-6)


def test_raters_who_agree_about_each_case_make_it_no_narrower():
    """A hundred raters who see three cases alike know about three cases."""
    one = np.tile([1.0, 1.0, 0.0], 100)[:, None]
    low, high = interval(one, *crossed(100, 3))
    assert low[0] < 0.1 and high[0] > 0.95


def test_one_rater_or_one_case_says_nothing_about_others():
    for raters, cases in ((1, 20), (20, 1)):
        values = np.arange(20.0)[:, None] % 2
        assert interval(values, *crossed(raters, cases)) == (0, 1)
    assert interval(np.zeros((0, 1)), np.zeros(0, int), np.zeros(0, int)) == (0, 1)


def test_where_all_agree_the_interval_is_wilsons_for_the_fewer():
    values = np.stack([np.ones(160), np.zeros(160)], 1)
    low, high = interval(values, *crossed(8, 20))
    assert (low[0], high[0]) == (pytest.approx(0.6756, abs=5e-5), 1) and (low[1], high[1]) == (
        0,
        pytest.approx(0.3244, abs=5e-5),
    )


def test_designs_that_cannot_tell_the_effects_apart_have_an_interval_all_the_same():
    for raters, cases in (
        (np.repeat(np.arange(10), 6), np.arange(60)),  # cases of one rater each
        (np.arange(60), np.repeat(np.arange(10), 6)),
        (np.arange(60), np.arange(60)),
        (np.repeat(np.arange(6), 10), np.tile(np.repeat(np.arange(5), 2), 6)),  # a case twice, of two seeds
    ):
        low, high = interval(np.arange(60.0)[:, None] % 3 % 2, raters, cases)
        assert 0.1 < low[0] < 1 / 3 < high[0] < 0.65
