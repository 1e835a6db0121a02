"""What raters said: preference rates and marks with their intervals, and who is flagged by the checks."""

import pytest

from retouch.errors import BadParameter
from retouch.study.ballot import Answer
from retouch.study.questions import Question
from retouch.study.results import Flag, flags, preferences, ratings
from tests.study.common import PAIRS, RATED


def test_preference_rates_count_the_answers_of_a_pair():
    answers = [Answer(1, PAIRS[0], 1), Answer(2, PAIRS[0], 1), Answer(1, PAIRS[3], 2), Answer(1, PAIRS[1], 2)]
    found = {(one.method, one.other): one for one in preferences(PAIRS, answers)}
    assert list(found) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert (found["x", "y"].wins, found["x", "y"].n) == (2, 3) and found["x", "y"].rate == pytest.approx(2 / 3)
    assert found["x", "z"].rate == 0 and (found["x", "z"].low, found["x", "z"].high) == (0, 1)
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


def test_intervals_take_answers_about_one_case_for_related():
    """Thirty answers of ten raters: about thirty cases, and about three that each rater sees alike."""
    asked = [Question("preference", str(case), 0, "x", "y") for case in range(30)]
    apart = [Answer(i % 10, asked[i], 1 + (i % 3 == 0)) for i in range(30)]
    shared = [Answer(i // 3, asked[i % 3], 1 + (i % 3 == 0)) for i in range(30)]
    ((one,), (other,)) = preferences(asked, apart), preferences(asked, shared)
    assert one.rate == other.rate == pytest.approx(2 / 3)
    assert one.low > 0.4 and one.high < 0.9 and other.low < 0.1 and other.high > 0.95


def test_ratings_have_intervals_between_1_and_5():
    answers = [Answer(rater, Question("rating", str(case), 0, "x", aspect="text"), 3 + (rater + case) % 3 - 1)
               for rater in range(6) for case in range(6)]  # fmt: skip
    one = next(one for one in ratings(RATED, answers) if one.n)
    assert 1 < one.low < one.mean == 3 < one.high < 5 and one.high - one.low < 1
    assert {(one.low, one.high) for one in ratings(RATED, answers) if not one.n} == {(1, 5)}


@pytest.mark.parametrize(
    ("failed", "of", "flagged"),
    [(0, 3, False), (1, 1, False), (1, 3, False), (2, 3, True), (2, 10, False), (3, 10, True), (2, 9, True)],
)
def test_one_slip_is_forgiven_and_more_than_a_fifth_is_flagged(failed, of, flagged):
    checks = [Question("preference", str(i), check="truth") for i in range(of)]
    answers = [Answer(7, check, 2 if i < failed else 1) for i, check in enumerate(checks)] + [Answer(3, PAIRS[0], 2)]
    assert flags(answers) == ([Flag(7, failed, of)] if flagged else [])
