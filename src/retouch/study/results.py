"""What raters said: preference rates with Wilson intervals, ratings as histograms, and who failed a check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retouch.errors import BadParameter
from retouch.study.questions import ASPECTS, PREFERENCE, RATING, Question, passed
from retouch.study.store import Answer, Study

_Z = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class Preference:
    """How often one method is preferred to another (Imagic, figure 8).

    Attributes:
        method, other: which two.
        wins: how many of the ``n`` answers chose ``method``.
    """

    method: str
    other: str
    wins: int
    n: int

    @property
    def rate(self) -> float | None:
        """Of the answers that chose ``method``, 0..1; None without answers."""
        return self.wins / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate."""
        return wilson(self.wins, self.n)


@dataclass(frozen=True)
class Rating:
    """How the edits of a method were rated for one aspect (LayerDiffusion, figure 7).

    Attributes:
        method, aspect: which, of :data:`retouch.study.questions.ASPECTS`.
        counts: how many answers were 1, 2, 3, 4 and 5.
    """

    method: str
    aspect: str
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """How many answers."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """1..5; None without answers."""
        return sum(value * count for value, count in enumerate(self.counts, start=1)) / self.n if self.n else None


@dataclass(frozen=True)
class Verdict:
    """The results of a study.

    Attributes:
        raters: who answered at least one question; ``finished`` of them answered all.
        failed: raters who answered at least one check wrongly.
        kept: whether their answers count all the same.
        preferences: for each pair of methods.
        ratings: for each method and aspect.
    """

    raters: int
    finished: int
    failed: int
    kept: bool
    preferences: Sequence[Preference]
    ratings: Sequence[Rating]

    @property
    def answers(self) -> int:
        """How many answers count."""
        return sum(one.n for one in self.preferences) + sum(one.n for one in self.ratings)

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        preferences = [
            {**asdict(one), "rate": one.rate, "low": one.interval[0], "high": one.interval[1]}
            for one in self.preferences
        ]
        ratings = [{**asdict(one), "n": one.n, "mean": one.mean} for one in self.ratings]
        return {**asdict(self), "answers": self.answers, "preferences": preferences, "ratings": ratings}


def verdict(study: Study, *, keep_all: bool = False, reference: str = "") -> Verdict:
    """The results of a study; raters who failed a check are left out.

    Args:
        keep_all: keeps them.
        reference: only the pairs with this method, seen from it.

    Raises:
        BadParameter: when no question is about ``reference``.
    """
    answers = study.answers()
    failed = failing(answers)
    counted = [one for one in answers if not one.question.check and (keep_all or one.rater not in failed)]
    raters = {one.rater for one in answers}
    asked = [one for one in study.questions if not one.check]
    return Verdict(
        len(raters), len(study.finished() & raters), len(failed), keep_all,
        preferences(asked, counted, reference), ratings(asked, counted),
    )  # fmt: skip


def failing(answers: Sequence[Answer]) -> set[int]:
    """The raters who answered at least one check wrongly; who presses at random passes three in one of eight cases."""
    return {one.rater for one in answers if one.question.check and not passed(one.question, one.value)}


def preferences(asked: Sequence[Question], answers: Sequence[Answer], reference: str = "") -> list[Preference]:
    """The preference rates of all pairs that are asked about, in the order of the questions.

    Raises:
        BadParameter: when no question is about ``reference``.
    """
    pairs = list(dict.fromkeys((one.first, one.second) for one in asked if one.kind == PREFERENCE))
    if reference and not any(reference in pair for pair in pairs):
        raise BadParameter(f"--compare is {reference!r}, and no preference question of the study is about it.")
    found = []
    for first, second in pairs:
        if reference and reference not in (first, second):
            continue
        values = [one.value for one in answers if (one.question.first, one.question.second) == (first, second)]
        turned = reference == second
        method, other = (second, first) if turned else (first, second)
        found.append(Preference(method, other, values.count(2 if turned else 1), len(values)))
    return found


def ratings(asked: Sequence[Question], answers: Sequence[Answer]) -> list[Rating]:
    """The ratings of all methods for each aspect, in the order of the questions."""
    methods = dict.fromkeys(one.first for one in asked if one.kind == RATING)
    return [
        Rating(method, aspect, tuple(values.count(value) for value in range(1, 6)))
        for aspect in ASPECTS
        for method in methods
        for values in [[a.value for a in answers if (a.question.first, a.question.aspect) == (method, aspect)]]
    ]


def wilson(wins: int, n: int, z: float = _Z) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927), which stays within 0..1 and is right for few answers too.

    ::

        (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n),  p = wins/n

    It takes answers for independent, which those of one rater need not be.

    Args:
        wins: of ``n`` answers.
        z: how many standard deviations; the default is for 95 %.

    Returns:
        its ends; (0, 1) without answers.
    """
    if not n:
        return 0.0, 1.0
    share = wins / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
