"""Weights in a prompt, as AUTOMATIC1111's web UI writes them: (blue:1.3), ((blue)), [blue]."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouch.errors import BadPrompt
from retouch.prompts import word_spans

_NUMBER = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_NETWORK = re.compile(r"<(?:lora|lyco|hypernet)\s*:[^<>]*>", re.IGNORECASE)
_ROUND, _SQUARE = 1.1, 1 / 1.1


@dataclass(frozen=True)
class Weighted:
    """A prompt without its marks.

    Attributes:
        text: what it says.
        weights: factors by word, those that are not 1; ``red#2`` is the second "red", where not all weigh the same.
        parentheses: whether parentheses stand in it that were read as text.
    """

    text: str
    weights: Mapping[str, float]
    parentheses: bool = False


@dataclass(frozen=True)
class _Pair:
    start: int
    end: int  # of the closing bracket
    weight: float | None  # as written; None without a number
    colon: int  # where the number begins, else the end


def read_weights(prompt: str) -> Weighted:
    r"""Reads a prompt with weights.

    A prompt is read as the web UI reads it where it holds a weight with a number, doubled parentheses or square
    brackets: (…:1.3) multiplies by 1.3, (…) by 1.1, […] divides by 1.1, what is nested multiplies. In any other
    prompt single parentheses are ordinary text, as in "a cat (small)". ``\(`` is a parenthesis in both.

    Raises:
        BadPrompt: for what changes from step to step ([from:to:when], [a|b]) and for networks (<lora:…>).
    """
    found = _NETWORK.search(prompt)
    if found:
        raise BadPrompt(
            f"{found.group()!r} in the prompt names a network to load, which is not understood: leave it out."
        )
    pairs = _pairs(prompt)
    if not _weighted(prompt, pairs):
        text = re.sub(r"\\([()\[\]])", r"\1", prompt)
        return Weighted(text, {}, parentheses=bool(pairs))
    factors, dropped = [1.0] * len(prompt), set[int]()
    for pair in pairs:
        square = prompt[pair.start] == "["
        inner = _outside(prompt, pairs, pair)
        if square and (":" in inner or "|" in inner):
            raise BadPrompt(
                f"{prompt[pair.start : pair.end + 1]!r} changes the prompt from step to step, which is not understood: "
                "write the prompt as it should be."
            )
        weight = pair.weight if pair.weight is not None else _SQUARE if square else _ROUND
        for i in range(pair.start, pair.end):
            factors[i] *= weight
        dropped |= {pair.start, *range(pair.colon, pair.end + 1)}
    dropped |= {found.start() for found in re.finditer(r"\\[()\[\]]", prompt)}
    kept = [i for i in range(len(prompt)) if i not in dropped]
    text = "".join(prompt[i] for i in kept)
    return Weighted(text, _by_word(text, [factors[i] for i in kept]))


def plain(prompt: str) -> str:
    """What a prompt says, without the marks of its weights."""
    return read_weights(prompt).text


def unweighted(text: str, where: str) -> str:
    """A text of a parameter, in which words cannot be weighed.

    Raises:
        BadPrompt: where it holds weights, or what :func:`read_weights` refuses.
    """
    read = read_weights(text)
    if read.weights:
        said = ", ".join(f"{word}={value:g}" for word, value in read.weights.items())
        raise BadPrompt(
            f"{where} holds weights for words ({said}), which are understood in the target prompt alone: write it "
            "without them."
        )
    return read.text


def _pairs(prompt: str) -> list[_Pair]:
    """The brackets that close each other, escaped ones aside."""
    opened, pairs, i = list[int](), list[_Pair](), 0
    while i < len(prompt):
        if prompt[i] == "\\" and prompt[i + 1 : i + 2] in tuple("()[]\\"):
            i += 1
        elif prompt[i] in "([":
            opened.append(i)
        elif prompt[i] in ")]" and opened and prompt[opened[-1]] == {")": "(", "]": "["}[prompt[i]]:
            start = opened.pop()
            number = _NUMBER.search(prompt, start + 1, i) if prompt[i] == ")" else None
            pairs.append(_Pair(start, i, float(number[1]) if number else None, number.start() if number else i))
        i += 1
    return pairs


def _weighted(prompt: str, pairs: Sequence[_Pair]) -> bool:
    doubled = {(pair.start - 1, pair.end + 1) for pair in pairs} & {(pair.start, pair.end) for pair in pairs}
    return bool(doubled) or any(pair.weight is not None or prompt[pair.start] == "[" for pair in pairs)


def _outside(prompt: str, pairs: Sequence[_Pair], pair: _Pair) -> str:
    """What stands in a pair of brackets, without what stands in others within it."""
    ends, i, kept = {one.start: one.end for one in pairs}, pair.start + 1, list[str]()
    while i < pair.end:
        if i in ends:
            i = ends[i]
        else:
            kept.append(prompt[i])
        i += 1
    return "".join(kept)


def _by_word(text: str, factors: Sequence[float]) -> dict[str, float]:
    """By word, from the factors of the letters: a word weighs what its first letter does."""
    places: dict[str, list[float]] = {}
    for word, start in word_spans(text):
        places.setdefault(word, []).append(round(factors[start], 4))
    weights: dict[str, float] = {}
    for word, values in places.items():
        if len(set(values)) == 1:
            weights[word] = values[0]
        else:
            weights |= {f"{word}#{number}": value for number, value in enumerate(values, 1)}
    return {word: value for word, value in weights.items() if value != 1}
