"""What raters said: intervals, preference rates and marks, and who fails a check."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch.errors import BadParameter
from retouch.study.questions import Question
from retouch.study.results import failing, preferences, ratings, wilson
from retouch.study.store import Answer
from tests.study.common import PAIRS, RATED


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1),
    ],
)
def test_wilsons_interval_is_the_textbooks(wins, n, low, high):
    assert wilson(wins, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_wilsons_ends_are_where_the_share_is_z_standard_deviations_away(n, data):
    wins = data.draw(st.integers(0, n))
    share = wins / n
    for end in wilson(wins, n, 1.5):
        assert (end - share) ** 2 == pytest.approx(1.5**2 * end * (1 - end) / n, abs=1e-12)


def test_no_answers_say_nothing():
    assert wilson(0, 0) == (0, 1)


def test_preference_rates_count_the_answers_of_a_pair():
    answers = [Answer(1, PAIRS[0], 1), Answer(2, PAIRS[0], 1), Answer(1, PAIRS[3], 2), Answer(1, PAIRS[1], 2)]
    found = {(one.method, one.other): one for one in preferences(PAIRS, answers)}
    assert list(found) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert (found["x", "y"].wins, found["x", "y"].n) == (2, 3) and found["x", "y"].rate == pytest.approx(2 / 3)
    assert found["x", "z"].rate == 0 and found["x", "z"].interval == wilson(0, 1)
    assert found["y", "z"].n == 0 and found["y", "z"].rate is None


def test_a_reference_is_always_the_method_that_is_preferred():
    answers = [Answer(1, PAIRS[0], 1), Answer(2, PAIRS[0], 1), Answer(1, PAIRS[2], 1)]
    found = preferences(PAIRS, answers, "y")
    assert [(one.method, one.other, one.wins, one.n) for one in found] == [("y", "x", 0, 2), ("y", "z", 1, 1)]
    with pytest.raises(BadParameter, match="--compare is 'w'"):
        preferences(PAIRS, answers, "w")


def test_ratings_are_histograms_with_a_mean_for_each_aspect():
    answers = [Answer(rater, RATED[0], value) for rater, value in enumerate((5, 4, 4, 1))] + [Answer(0, RATED[3], 2)]
    found = {(one.method, one.aspect): one for one in ratings(RATED, answers)}
    assert found["x", "text"].counts == (1, 0, 0, 2, 1) and found["x", "text"].mean == 3.5
    assert found["y", "rest"].counts == (0, 1, 0, 0, 0) and found["y", "text"].mean is None


def test_one_wrong_check_fails_a_rater():
    check = Question("preference", "a", check="truth")
    answers = [Answer(1, check, 1), Answer(2, check, 2), Answer(2, replace(check, case="b"), 1), Answer(3, PAIRS[0], 2)]
    assert failing(answers) == {2}
