"""What raters said: preference rates and ratings with intervals, and who is flagged by the checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retouch.errors import BadParameter
from retouch.study.ballot import Answer
from retouch.study.intervals import interval
from retouch.study.questions import ASPECTS, PREFERENCE, RATING, Question, passed
from retouch.study.store import Study


@dataclass(frozen=True)
class Preference:
    """How often one method is preferred to another (Imagic, figure 8).

    Attributes:
        method, other: which two.
        wins: how many of the ``n`` answers chose ``method``.
        low, high: the 95 % interval of the rate, 0..1, for other raters and cases
            (:func:`retouch.study.intervals.interval`).
    """

    method: str
    other: str
    wins: int
    n: int
    low: float = 0.0
    high: float = 1.0

    @property
    def rate(self) -> float | None:
        """Of the answers that chose ``method``, 0..1; None without answers."""
        return self.wins / self.n if self.n else None


@dataclass(frozen=True)
class Rating:
    """How the edits of a method were rated for one aspect (LayerDiffusion, figure 7).

    Attributes:
        method, aspect: which, of :data:`retouch.study.questions.ASPECTS`.
        counts: how many answers were 1, 2, 3, 4 and 5.
        low, high: the 95 % interval of the mean, 1..5, for other raters and cases.
    """

    method: str
    aspect: str
    counts: tuple[int, ...]
    low: float = 1.0
    high: float = 5.0

    @property
    def n(self) -> int:
        """How many answers."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """1..5; None without answers."""
        return sum(value * count for value, count in enumerate(self.counts, start=1)) / self.n if self.n else None


@dataclass(frozen=True)
class Tally:
    """What some raters said.

    Attributes:
        preferences: for each pair of methods.
        ratings: for each method and aspect.
    """

    preferences: Sequence[Preference]
    ratings: Sequence[Rating]

    @property
    def answers(self) -> int:
        """How many answers are counted; those to checks are not."""
        return sum(one.n for one in self.preferences) + sum(one.n for one in self.ratings)

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "answers": self.answers,
            "preferences": [{**asdict(one), "rate": one.rate} for one in self.preferences],
            "ratings": [{**asdict(one), "n": one.n, "mean": one.mean} for one in self.ratings],
        }


@dataclass(frozen=True)
class Flag:
    """A rater who failed too many checks to be sure that the pictures were looked at.

    Attributes:
        rater: the rater's number.
        failed: how many of the ``checks`` that were answered.
    """

    rater: int
    failed: int
    checks: int


@dataclass(frozen=True)
class Verdict:
    """The results of a study; every answer counts.

    Attributes:
        raters: who answered at least one question; ``finished`` of them answered all.
        changed: how often an answer was replaced by the rater; the last one counts.
        flagged: raters who failed too many checks; they count in ``said``.
        said: what all raters said.
        without_flagged: what the others said; None where that is the same.
    """

    raters: int
    finished: int
    changed: int
    flagged: Sequence[Flag]
    said: Tally
    without_flagged: Tally | None

    def figures(self) -> dict[str, Any]:
        """JSON-ready: the figures of all raters, and beside them those without the flagged ones."""
        others = self.without_flagged
        return {
            "raters": self.raters,
            "finished": self.finished,
            "changed": self.changed,
            "flagged": [asdict(one) for one in self.flagged],
            **self.said.figures(),
            "without_flagged": None if others is None else others.figures(),
        }


def verdict(study: Study, *, reference: str = "") -> Verdict:
    """The results of a study.

    Args:
        reference: only the pairs with this method, seen from it.

    Raises:
        BadParameter: when no question is about ``reference``.
    """
    answers = study.answers()
    flagged = flags(answers)
    asked = [one for one in study.questions if not one.check]
    counted = [one for one in answers if not one.question.check]
    doubted = {one.rater for one in flagged}
    sure = [one for one in counted if one.rater not in doubted]
    raters = {one.rater for one in answers}
    return Verdict(
        len(raters), len(study.finished() & raters), study.changes(), flagged, tally(asked, counted, reference),
        None if len(sure) == len(counted) else tally(asked, sure, reference),
    )  # fmt: skip


def flags(answers: Sequence[Answer]) -> list[Flag]:
    """The raters who failed more than one check, and more than a fifth of theirs: one slip is forgiven.

    Of two pictures, who presses at random fails two of five checks or more with 26 chances in 32.
    """
    checked = dict[int, list[bool]]()
    for one in answers:
        if one.question.check:
            checked.setdefault(one.rater, []).append(passed(one.question, one.value))
    found = [Flag(rater, right.count(False), len(right)) for rater, right in sorted(checked.items())]
    return [one for one in found if one.failed > 1 and 5 * one.failed > one.checks]


def tally(asked: Sequence[Question], answers: Sequence[Answer], reference: str = "") -> Tally:
    """The rates and ratings of some answers; see :func:`preferences` and :func:`ratings`."""
    return Tally(preferences(asked, answers, reference), ratings(asked, answers))


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
        given = [one for one in answers if (one.question.first, one.question.second) == (first, second)]
        turned = reference == second
        method, other = (second, first) if turned else (first, second)
        won = [float(one.value == (2 if turned else 1)) for one in given]
        found.append(Preference(method, other, int(sum(won)), len(won), *_ends(given, won)))
    return found


def ratings(asked: Sequence[Question], answers: Sequence[Answer]) -> list[Rating]:
    """The ratings of all methods for each aspect, in the order of the questions."""
    methods = dict.fromkeys(one.first for one in asked if one.kind == RATING)
    found = []
    for aspect in ASPECTS:
        for method in methods:
            given = [one for one in answers if (one.question.first, one.question.aspect) == (method, aspect)]
            values = [one.value for one in given]
            low, high = _ends(given, [(value - 1) / 4 for value in values])
            counts = tuple(values.count(value) for value in range(1, 6))
            found.append(Rating(method, aspect, counts, 1 + 4 * low, 1 + 4 * high))
    return found


def _ends(answers: Sequence[Answer], values: Sequence[float]) -> tuple[float, float]:
    """Of the interval of the values' mean; the seeds of a case are one case."""
    numbers = dict[str, int]()
    cases = np.array([numbers.setdefault(one.question.case, len(numbers)) for one in answers], np.int64)
    raters = np.array([one.rater for one in answers], np.int64)
    low, high = interval(np.array(values, np.float64)[:, None], raters, cases)
    return float(low[0]), float(high[0])
