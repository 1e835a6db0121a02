"""What was done to many pictures on the way in, told in few sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from retouch.picture.reading import Picture


class Note(NamedTuple):
    """A sentence about a picture that was read, and what the sentence calls it."""

    name: str
    sentence: str


def notes_of(*pictures: Picture) -> tuple[Note, ...]:
    """All that there is to say of these."""
    return tuple(Note(picture.name, sentence) for picture in pictures for sentence in picture.notes)


def summed(notes: Iterable[Note]) -> list[str]:
    """A sentence for each kind of thing: of the first picture, and in how many more files it is so.

    >>> summed([Note(name, f"{name}: {what}.") for name, what in (("a", "clear"), ("b", "CMYK"), ("c", "clear"))])
    ['a: clear (and so it is with 1 more file).', 'b: CMYK.']
    """
    kinds = dict[str, dict[str, str]]()
    for name, sentence in notes:
        kind = re.sub(r"\d+", "", sentence.replace(name, "", 1))  # what differs in a number is one kind
        kinds.setdefault(kind, {})[name] = sentence
    return [_of(list(kind.values())) for kind in kinds.values()]


def _of(sentences: list[str]) -> str:
    first, more = sentences[0], len(sentences) - 1
    return f"{first.rstrip('.')} (and so it is with {more} more file{'s' if more > 1 else ''})." if more else first
