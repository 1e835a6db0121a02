"""Many edits at once: a prompt with choices, several strengths, seeds or methods, as every combination of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from retouch.app.tasks import Edit
from retouch.errors import BadParameter, BadPrompt

MOST = 36
"""Edits of one grid."""
MAX_SEED = 2**63 - 1
_CHOICE = re.compile(r"\{([^{}]*)\}")


def prompts(text: str) -> list[str]:
    """Every prompt that a text with choices stands for, in order; one without choices stands for itself.

    >>> prompts("a {red|blue} cat")
    ['a red cat', 'a blue cat']

    Raises:
        BadPrompt: for a brace without its other half, or a choice of nothing.
    """
    if _CHOICE.sub("", text).count("{") or _CHOICE.sub("", text).count("}"):
        raise BadPrompt(f"a brace in {text!r} has no other half: write choices as {{red|blue}}.")
    pieces = _CHOICE.split(text)  # text, choices, text, choices, …, text
    options = [piece.split("|") if i % 2 else [piece] for i, piece in enumerate(pieces)]
    if any(not "".join(choices).strip() for choices in options[1::2]):
        raise BadPrompt(f"a choice in {text!r} is empty: write choices as {{red|blue}}.")
    if _size(options) > MOST:
        raise BadPrompt(f"{text!r} stands for {_size(options)} prompts, and a grid has at most {MOST}: give fewer.")
    found = [" ".join("".join(chosen).split()) for chosen in product(*options)]
    return list(dict.fromkeys(found))


def numbers(text: str, name: str, low: float, high: float) -> list[float]:
    """Numbers in a list, as "0.2, 0.5 1".

    Raises:
        BadParameter: for what is no number in low..high.
    """
    found = []
    for word in re.split(r"[,;\s]+", text.strip()):
        if not word:
            continue
        try:
            number = float(word)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise BadParameter(f"{name}: {word!r} is no number in {low:g}..{high:g}.")
        found.append(number)
    if len(found) > MOST:
        raise BadParameter(f"{name}: these are {len(found)} numbers, and a grid has at most {MOST} edits.")
    return list(dict.fromkeys(found))


def seeds(text: str) -> list[int]:
    """Whole numbers in a list, ranges among them: "1, 2, 5-8".

    Raises:
        BadParameter: for what is no seed.
    """
    found: list[int] = []
    for word in re.split(r"[,;\s]+", text.strip()):
        if not word:
            continue
        read = re.fullmatch(r"([0-9]{1,19})(?:[-–]([0-9]{1,19}))?", word, re.ASCII)
        first, last = (int(read[1]), int(read[2] or read[1])) if read else (1, 0)
        if not 0 <= first <= last <= MAX_SEED or last - first >= MOST:
            raise BadParameter(f"seeds: {word!r} is no seed or short range of seeds; write for instance 1, 2, 5-8.")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def grid(
    edit: Edit, strengths: Sequence[float] = (), others: Sequence[int] = (), methods: Sequence[str] = ()
) -> list[tuple[str, Edit]]:
    """Every combination, each with a few words for what sets it apart.

    Args:
        edit: the one that is varied; its target may hold choices.
        strengths, others, methods: strengths, seeds and methods; none for the edit's own.

    Raises:
        BadPrompt, BadParameter: when a choice is not understood, or there are too many.
    """
    targets = prompts(edit.target)
    axes: list[list[Any]] = [
        targets,
        list(methods) or [edit.method],
        list(strengths) or [edit.strength],
        list(others) or [edit.seed],
    ]
    if _size(axes) > MOST:
        raise BadParameter(f"these are {_size(axes)} edits, and a grid has at most {MOST}: give fewer.")
    found = []
    for target, method, strength, seed in product(*axes):
        one = replace(edit, target=target, strength=strength, seed=seed, method=method,
                      settings=edit.settings if method == edit.method else {},
                      parts=edit.parts if method == edit.method else {})  # fmt: skip
        words = [
            *([target] if len(targets) > 1 else []), *([method] if len(methods) > 1 else []),
            *([f"strength {strength:g}"] if len(strengths) > 1 and strength is not None else []),
            *([f"seed {seed}"] if len(others) > 1 else []),
        ]  # fmt: skip
        found.append((", ".join(words) or target, one))
    return found


def _size(axes: Sequence[Sequence[object]]) -> int:
    size = 1
    for axis in axes:
        size *= len(axis)
    return size
