"""What an edit changes, word by word: what is swapped, added, left out, or weighs more or less."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from retouch.errors import BadPrompt
from retouch.prompts import word_spans
from retouch.weights import read_weights

Kind = Literal["kept", "swapped", "added", "left out"]

MAX_LETTERS = 2000
"""Of a prompt."""
HEAVIEST = 2.0
_PLAIN = re.compile(r"[()\[\]\\{}]")


@dataclass(frozen=True)
class Piece:
    """A word, or a few, of an edit.

    Attributes:
        old, new: of the source and of the target; "" where there is none.
        weight: of the new one; 1 is what it weighs by itself.
    """

    kind: Kind
    old: str
    new: str
    weight: float = 1.0


def pieces(source: str, target: str) -> list[Piece]:
    """The edit from one prompt to the other, in the order of the target.

    Raises:
        BadPrompt: for marks of weights that are not understood.
    """
    read = read_weights(target)
    old, new = ([word for word, _ in word_spans(text)] for text in (read_weights(source).text, read.text))
    names = _numbered(new)
    weight = {i: read.weights.get(new[i], read.weights.get(names[i], 1.0)) for i in range(len(new))}
    found: list[Piece] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        gone, come = old[i1:i2], list(range(j1, j2))
        if tag == "equal":
            found += [Piece("kept", new[j], new[j], weight[j]) for j in come]
            continue
        both = min(len(gone), len(come))
        found += [Piece("swapped", gone[k], new[come[k]], weight[come[k]]) for k in range(both)]
        found += [Piece("left out", word, "") for word in gone[both:]]
        found += [Piece("added", "", new[j], weight[j]) for j in come[both:]]
    return found


def said(source: str, target: str) -> str:
    """The same in a sentence, for whoever does not see it."""
    words = []
    for one in pieces(source, target):
        heavy = "" if one.weight == 1 else f" (weighs {one.weight:g})"
        match one.kind:
            case "swapped":
                words.append(f"{one.old} becomes {one.new}{heavy}")
            case "added":
                words.append(f"{one.new} is added{heavy}")
            case "left out":
                words.append(f"{one.old} is left out")
            case _ if heavy:
                words.append(f"{one.new}{heavy}")
    return "; ".join(words) if words else "nothing changes"


def weighed(target: str, word: str, weight: float) -> str:
    """The target prompt with a word that weighs ``weight``, in the notation of :mod:`retouch.weights`.

    >>> weighed("a blue cat", "blue", 1.3)
    'a (blue:1.3) cat'

    Raises:
        BadPrompt: when the word is not there, or brackets are there that no slider wrote.
    """
    if len(target) > MAX_LETTERS:
        raise BadPrompt(f"the target prompt has more than {MAX_LETTERS} letters: shorten it.")
    plain = re.sub(r"\((\w[\w'’-]*):[0-9.]+\)", r"\1", target)
    if _PLAIN.search(plain):
        raise BadPrompt("the target prompt holds brackets of your own: write the weight yourself, as (blue:1.3).")
    weights = dict(read_weights(target).weights) | {word.lower(): round(min(HEAVIEST, max(0.0, weight)), 2)}
    text, moved, there = plain, 0, False
    for found, start in word_spans(plain):
        there |= found == word.lower()
        value = weights.get(found, 1.0)
        if value != 1:
            end = start + len(found) + moved
            written = f"({text[start + moved : end]}:{value:g})"
            text, moved = text[: start + moved] + written + text[end:], moved + len(written) - len(found)
    if not there:
        raise BadPrompt(f"there is no word {word!r} in the target prompt.")
    return text


def _numbered(words: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        names.append(f"{word}#{seen[word]}")
    return names
