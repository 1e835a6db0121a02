"""A rater's ballot: where the rater stands, an answer, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retouch.errors import RetouchError
from retouch.study.questions import Question
from retouch.study.sheets import Item


class BadAnswer(RetouchError):
    """What a rater's browser sent and no rater can have chosen."""


class UnknownRater(RetouchError):
    """A link of no rater of this study."""


class ForgedToken(RetouchError):
    """A token that this study did not make."""


@dataclass(frozen=True)
class Standing:
    """Where a rater stands.

    Attributes:
        answered, total: of the sheet's items.
        position: of the item to answer, from 1; ``total + 1`` when all are answered.
        items: that item and the one after it; none when all are answered.
        chosen: what was chosen for the first item, where the rater came back to it; else "".
    """

    answered: int
    total: int
    position: int
    items: Sequence[Item]
    chosen: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer with its question; see :func:`retouch.study.questions.value_of`."""

    rater: int
    question: Question
    value: int
