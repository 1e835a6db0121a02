"""What a study asks: two edits of one input to choose between, or one edit to rate, and simple ones that check."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from PIL import Image, ImageChops

from retouch.errors import BadParameter, RetouchError
from retouch.runs.files import BadRun
from retouch.runs.run import Run
from retouch.suites.suite import Case

PREFERENCE, RATING = "preference", "rating"
KINDS = (PREFERENCE, RATING, "both")
ASPECTS = {"text": "follows the text", "rest": "keeps the rest"}
"""What an edit is rated for; LayerDiffusion, section 4.4, asks for action and background likewise."""

CHOICES = {PREFERENCE: ("left", "right"), RATING: ("1", "2", "3", "4", "5")}
"""What a rater can press, by kind of question."""

_CASES_FOR_CHECKS = 24  # their pictures are read: enough to differ, few enough to be quick


class BadStudy(RetouchError):
    """A run that cannot be judged, or a study that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """What was chosen for a study.

    Attributes:
        questions: one of :data:`KINDS`.
        compare: the method that is compared with every other; "" compares all pairs.
        per_rater: questions for each rater, checks not counted, 1..1000.
        checks: attention checks for each rater, 0..20.
        seed: of the questions, their order and their sides, from 0.

    Raises:
        BadParameter: for a value outside these.
    """

    questions: str = PREFERENCE
    compare: str = ""
    per_rater: int = 30
    checks: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.questions not in KINDS:
            raise BadParameter(f"--questions is {self.questions!r}, expected one of: {', '.join(KINDS)}.")
        if self.compare and self.questions == RATING:
            raise BadParameter("--compare is for preference questions, and --questions is rating: leave one out.")
        for option, value, low, high in (
            ("--per-rater", self.per_rater, 1, 1000),
            ("--checks", self.checks, 0, 20),
            ("--seed", self.seed, 0, 2**63 - 1),
        ):
            if not low <= value <= high:
                raise BadParameter(f"{option} is {value}, expected a whole number in {low}..{high}.")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of question that are asked, in the order they are asked in."""
        return (PREFERENCE, RATING) if self.questions == "both" else (self.questions,)


@dataclass(frozen=True)
class Question:
    """One question, the same for every rater.

    Attributes:
        kind: "preference" or "rating".
        case: the entry's id.
        seed: of the edits; of a "told" check, its number.
        first, second: the methods; ``second`` is "" for a rating, both are "" for a check.
        aspect: one of :data:`ASPECTS` for a rating, else "".
        check: "" for a question that counts. Else what it checks with, the right one always first: "truth" (the right
            answer against the untouched input), "stranger" (the untouched input against another case's, or that one
            to be rated), "same" (the untouched input to be rated), or "told" (the rater is told what to press).
        stranger: the other case, for the check of that name.
    """

    kind: str
    case: str
    seed: int = 0
    first: str = ""
    second: str = ""
    aspect: str = ""
    check: str = ""
    stranger: str = ""

    @property
    def group(self) -> tuple[str, ...]:
        """What it tells about: questions of one group are spread evenly over raters."""
        return (self.check, self.first, self.second, self.aspect)

    @property
    def told(self) -> str:
        """What a "told" check of a rating tells the rater to press."""
        return str(1 + self.seed % 5)


class Shown(NamedTuple):
    """A picture of a run: ``part`` is "input" or "truth" of a case, or "edit", which ``method`` and ``seed`` name."""

    part: str
    case: str
    method: str = ""
    seed: int = 0


def pictures(question: Question) -> tuple[Shown, ...]:
    """The input, the first picture and, for a preference, the second."""
    shown = Shown("input", question.case)
    if not question.check:
        edits = (question.first, question.second) if question.kind == PREFERENCE else (question.first,)
        return (shown, *(Shown("edit", question.case, method, question.seed) for method in edits))
    other = Shown("input", question.stranger) if question.check == "stranger" else shown
    if question.kind == RATING:
        return (shown, other)
    return (shown, Shown("truth", question.case) if question.check == "truth" else shown, other)


def value_of(question: Question, swapped: bool, choice: str) -> int:
    """What an answer counts as.

    Args:
        swapped: whether the first picture is on the right.
        choice: one of :data:`CHOICES` for its kind.

    Returns:
        1 where the first picture is preferred and 2 where the second is; the rating, 1..5.
    """
    if question.kind == RATING:
        return int(choice)
    return 2 if (choice == "left") == swapped else 1


def choice_of(question: Question, swapped: bool, value: int) -> str:
    """What was chosen where an answer counts as ``value``: the other way about than :func:`value_of`."""
    if question.kind == RATING:
        return str(value)
    return "left" if (value == 2) == swapped else "right"


def passed(question: Question, value: int) -> bool:
    """Whether the answer to a check is right.

    What is identical to the input keeps the rest with at least 4 of 5, and a picture of something else with at most 2.
    """
    if question.kind == PREFERENCE:
        return value == 1
    if question.check == "told":
        return value == int(question.told)
    return value >= 4 if question.check == "same" else value <= 2


def all_questions(run: Run, settings: Settings) -> list[Question]:
    """Every question that a run's finished edits allow, in the order of cases; checks come last.

    Raises:
        BadStudy: when there are no edits, or no two methods edited the same case with the same seed.
        BadParameter: when the run lacks the method to compare with.
        BadRun: when a case's pictures are damaged.
    """
    known = {entry.id for entry in run.cases()}
    edits = dict[tuple[str, int], list[str]]()
    for record in run.records():
        if not record.error and record.case in known and run.edit_path(record).is_file():
            edits.setdefault((record.case, record.seed), []).append(record.method)
    if not edits:
        raise BadStudy(f"{str(run.folder)!r} has no edits to judge: let `retouch bench` finish some first.")
    cases = {case for case, _ in edits}
    rated = [
        Question(RATING, case, seed, method, aspect=aspect)
        for (case, seed), methods in edits.items()
        for method in methods
        for aspect in ASPECTS
    ]
    asked = {PREFERENCE: _pairs(run, edits, settings.compare) if PREFERENCE in settings.kinds else [], RATING: rated}
    return [
        *(question for kind in settings.kinds for question in asked[kind]),
        *(check for kind in settings.kinds for check in _checks(run, cases, kind, settings)),
    ]


def _pairs(run: Run, edits: dict[tuple[str, int], list[str]], reference: str) -> list[Question]:
    methods = list(dict.fromkeys(method for made in edits.values() for method in made))
    methods.sort(key=list(run.manifest.methods).index)
    if reference and reference not in methods:
        raise BadParameter(f"--compare is {reference!r}, and the run has no edits by it; it has: {', '.join(methods)}.")
    if len(methods) < 2:
        raise BadStudy(
            f"{str(run.folder)!r} has edits by {methods[0]} alone, and a preference needs two methods: run another, or "
            "ask for --questions rating."
        )
    wanted = [(reference, m) for m in methods if m != reference] if reference else list(combinations(methods, 2))
    found = [
        Question(PREFERENCE, case, seed, first, second)
        for (case, seed), made in edits.items()
        for first, second in wanted
        if first in made and second in made
    ]
    if not found:
        raise BadStudy(
            f"no case of {str(run.folder)!r} was edited by both methods of a pair with the same seed: let "
            f"`retouch bench` make more; outputs that others made count as of seed {run.manifest.seeds[0]}."
        )
    return found


def _checks(run: Run, cases: Iterable[str], kind: str, settings: Settings) -> list[Question]:
    """At least as many as a rater gets, of every sort that the run allows."""
    if not settings.checks:
        return []
    names = sorted(cases)
    chosen = random.Random(f"{settings.seed} checks").sample(names, min(len(names), _CASES_FOR_CHECKS))
    opened = [_opened(run, name) for name in chosen]
    found = list[Question]()
    for place, case in enumerate(opened):
        name = case.entry.id
        if kind == PREFERENCE and _plainly_differ(case.picture, case.truth):
            found.append(Question(kind, name, check="truth"))
        elif (other := _stranger(case, opened[place + 1 :] + opened[:place])) is not None:
            found.append(Question(kind, name, aspect=_rest(kind), check="stranger", stranger=other))
        if kind == RATING:
            found.append(Question(kind, name, aspect=_rest(kind), check="same"))
    told = range(settings.checks - len(found))  # empty where there are enough
    return [*found, *(Question(kind, chosen[0], number, aspect=_rest(kind), check="told") for number in told)]


def _rest(kind: str) -> str:
    return "rest" if kind == RATING else ""


def _opened(run: Run, name: str) -> Case:
    case = run.case(name)
    if case is None:
        raise BadRun(f"the case {name!r} of {str(run.folder)!r} is not there: the run is damaged, begin it anew.")
    return case


def _stranger(case: Case, others: Sequence[Case]) -> str | None:
    """The first of the others with another picture, which is not what this case's text asks for."""
    for other in others:
        if _plainly_differ(case.picture, other.picture) and other.entry.source != case.entry.target:
            return other.entry.id
    return None


def _plainly_differ(one: Image.Image, other: Image.Image | None) -> bool:
    """Whether nobody who looks can take one for the other: at least 2 % of the pixels differ by 32 of 255 or more."""
    if other is None:
        return False
    size = (128, 128)
    difference = ImageChops.difference(one.resize(size), other.resize(size)).convert("L")
    return sum(difference.histogram()[32:]) >= 0.02 * size[0] * size[1]
