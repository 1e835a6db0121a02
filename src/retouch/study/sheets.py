"""The sheet of a rater: which questions, in which order, and what is on which side."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from retouch.study.questions import Question, Settings

Card = TypeVar("Card", bound=Hashable)


class Item(NamedTuple):
    """A place on a sheet: the question's number, and whether its first picture is on the right."""

    question: int
    swapped: bool


def sheet(questions: Sequence[Question], settings: Settings, rater: int) -> list[Item]:
    """What one rater is asked; the same for the same questions, settings and rater.

    Questions are dealt like cards from an endless shuffled deck, the next rater going on where the last one ended: of
    any two questions of one kind, one is given at most once more often than the other. The kinds come one after the
    other, each in random order, with its checks spread among it. Sides are balanced within each group and in all.

    Args:
        rater: its number, from 1.
    """
    rng = random.Random(f"{settings.seed} rater {rater}")
    numbers = {kind: [i for i, one in enumerate(questions) if one.kind == kind] for kind in settings.kinds}
    asked = {kind: _grouped(questions, [i for i in these if not questions[i].check]) for kind, these in numbers.items()}
    checks = {kind: _grouped(questions, [i for i in these if questions[i].check]) for kind, these in numbers.items()}
    sizes = _split(settings.per_rater, {kind: sum(map(len, groups.values())) for kind, groups in asked.items()})
    given = list[Item]()
    for kind, part in zip(settings.kinds, _parts(settings.checks, len(settings.kinds)), strict=True):
        hand = dealt(asked[kind], sizes[kind], rater, f"{settings.seed} {kind}")
        rng.shuffle(hand)
        items = _sided(hand, questions, rng)
        number = min(part, sum(map(len, checks[kind].values())))
        traps = [
            Item(i, rng.random() < 0.5) for i in dealt(checks[kind], number, rater, f"{settings.seed} {kind} checks")
        ]
        given.extend(_spread(items, traps, rng))
    return given


def dealt(groups: Mapping[Hashable, Sequence[Card]], number: int, rater: int, name: str) -> list[Card]:
    """The hand of one rater: ``number`` different cards from a deck that is shuffled anew each time it is used up.

    Groups are spread evenly over the deck, so that every hand has about equally many of each.

    Args:
        groups: all cards, by group; at least ``number`` of them.
        rater: from 1.
        name: seeds the shuffles.
    """
    size = sum(map(len, groups.values()))
    start, stop = (rater - 1) * number, rater * number
    hand, rest, begin = list[Card](), list[Card](), 0  # rest: the last of the deck before, too few for a hand
    while begin < stop:
        order = _shuffled(groups, random.Random(f"{name} {begin}"))
        if rest:  # whoever holds them gets none of them again
            held = set(rest)
            head = [card for card in order if card not in held][: number - len(rest)]
            order = head + [card for card in order if card not in set(head)]
        hand += order[max(0, start - begin) : max(0, stop - begin)]
        begin += size
        rest = order[size - begin % number :]
    return hand


def _shuffled(groups: Mapping[Hashable, Sequence[Card]], rng: random.Random) -> list[Card]:
    placed = list[tuple[float, Card]]()
    for cards in groups.values():
        mixed = rng.sample(cards, len(cards))
        placed += [((i + rng.random()) / len(mixed), card) for i, card in enumerate(mixed)]
    return [card for _, card in sorted(placed, key=lambda one: one[0])]


def _grouped(questions: Sequence[Question], numbers: Sequence[int]) -> dict[Hashable, list[int]]:
    groups = dict[Hashable, list[int]]()
    for i in numbers:
        groups.setdefault(questions[i].group, []).append(i)
    return groups


def _sided(hand: Sequence[int], questions: Sequence[Question], rng: random.Random) -> list[Item]:
    """Group after group, every other one swapped, which balances each group and the whole."""
    by_group = sorted(hand, key=lambda i: questions[i].group)  # stable: random within a group
    first = rng.random() < 0.5
    swapped = {i: (place % 2 == 0) == first for place, i in enumerate(by_group)}
    return [Item(i, swapped[i]) for i in hand]


def _spread(items: Sequence[Item], checks: Sequence[Item], rng: random.Random) -> list[Item]:
    """One check within each of as many equal stretches, never before the first question."""
    spread, begin = list[Item](), 0
    for number, check in enumerate(checks, start=1):
        end = len(items) * number // len(checks)
        place = rng.randint(min(begin + 1, end), end)
        spread += [*items[begin:place], check, *items[place:end]]
        begin = end
    return [*spread, *items[begin:]]


def _split(number: int, there: Mapping[str, int]) -> dict[str, int]:
    """``number`` in even parts, none greater than what is there; what one lacks the other gives."""
    sizes = dict.fromkeys(there, 0)
    for _ in range(number):
        open_ = [kind for kind in there if sizes[kind] < there[kind]]
        if not open_:
            break
        sizes[min(open_, key=lambda kind: sizes[kind])] += 1
    return sizes


def _parts(number: int, parts: int) -> list[int]:
    return [number // parts + (i < number % parts) for i in range(parts)]
