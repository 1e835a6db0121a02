"""What changes between two prompts and what does not: as sentences that an edit must fit less well than its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from retouch.prompts import word_spans, words_of

_ARTICLES = frozenset("a an the".split())
_PLACING = frozenset("on in at under over near beside behind by inside outside before above below between".split())
_STYLE = frozenset(
    "photo photograph picture painting sketch drawing watercolor watercolour style cartoon anime illustration render "
    "oil pencil ink charcoal pastel sculpture statue mosaic pixel comic".split()
)
_JOINING = _ARTICLES | _PLACING | frozenset("of and with to its his her their is are".split())


@dataclass(frozen=True)
class Change:
    """One thing that the target says otherwise than the source.

    Attributes:
        old, new: the words, "" where they are added or removed.
        undone: the target prompt with the old words in place of the new.
    """

    old: str
    new: str
    undone: str


def changes(source: str, target: str) -> list[Change]:
    """What changes, one thing at a time: "a red cat" to "a blue dog" are two changes, a place is one.

    Words that only join others, as "on" and "in", are no change of their own beside others.
    """
    old, new = _ends(source), _ends(target)
    found = []
    for i1, i2, j1, j2 in _chunks(words_of(source), words_of(target)):
        before, after = source[_end(old, i1) : _end(old, i2)], target[_end(new, j1) : _end(new, j2)]
        undone = target[: _end(new, j1)] + before + target[_end(new, j2) :]
        found.append(Change(_trimmed(before), _trimmed(after), _tidy(undone)))
    return found


def kind_of(source: str, target: str) -> str:
    """The kind of a change, as far as words tell: "style", "place", "pose", "added", "removed", or else "swapped".

    Of several changes the one that reaches furthest.
    """
    all_changes = changes(source, target)
    words = [set(words_of(f"{change.old} {change.new}")) for change in all_changes]
    if any(one & _STYLE for one in words):
        return "style"
    if any(_is_place(change, target) for change in all_changes):
        return "place"
    if any(_is_doing(change.old) and _is_doing(change.new) for change in all_changes):
        return "pose"
    if all_changes and all(not change.old for change in all_changes):
        return "added"
    if all_changes and all(not change.new for change in all_changes):
        return "removed"
    return "swapped"


def swapped(prompt: str, phrase: str, others: Sequence[str]) -> list[str]:
    """The prompt with each of ``others`` in place of ``phrase``, which stands in it as whole words; [] where not."""
    said, wanted = word_spans(prompt), words_of(phrase)
    for i in range(len(said) - len(wanted) + 1):
        if wanted and [word for word, _ in said[i : i + len(wanted)]] == wanted:
            last, start = said[i + len(wanted) - 1], said[i][1]
            end = last[1] + len(last[0])
            return [_tidy(prompt[:start] + other + prompt[end:]) for other in others]
    return []


def _chunks(source: Sequence[str], target: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Places (source from, to, target from, to) of what differs; what only joining words part is one."""
    found: list[tuple[int, int, int, int]] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(a=source, b=target, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if found and set(source[found[-1][1] : i1]) <= _JOINING and _PLACING & set(source[found[-1][0] : i1]):
            i1, _, j1, _ = (found[-1][0], 0, found[-1][2], 0)
            found.pop()
        found.append((i1, i2, j1, j2))
    return [part for chunk in found for part in _single(source, target, chunk)]


def _single(
    source: Sequence[str], target: Sequence[str], chunk: tuple[int, int, int, int]
) -> list[tuple[int, int, int, int]]:
    """A chunk cut before its place, and of as many words as there were, none of them joining, word by word."""
    i1, i2, j1, j2 = chunk
    i, j = _placing(source[i1:i2]), _placing(target[j1:j2])
    if i and j:
        i, j = i1 + i, j1 + j
        return [*_single(source, target, (i1, i, j1, j)), (i, i2, j, j2)]
    if i2 - i1 != j2 - j1 or _JOINING & {*source[i1:i2], *target[j1:j2]}:
        return [chunk]
    return [(i1 + n, i1 + n + 1, j1 + n, j1 + n + 1) for n in range(i2 - i1)]


def _placing(words: Sequence[str]) -> int:
    """Where the first preposition of place stands; 0 for none, or where all begins with it."""
    return next((i for i, word in enumerate(words) if word in _PLACING), 0)


def _is_place(change: Change, target: str) -> bool:
    """Whether a preposition of place changes, or stands before what does."""
    new = words_of(change.new)
    if not change.old or not new:
        return False
    if new[0] in _PLACING or words_of(change.old)[0] in _PLACING:
        return True
    words = words_of(target)
    at = next((i for i in range(len(words)) if words[i : i + len(new)] == new), 0)
    before = [word for word in words[max(0, at - 2) : at] if word not in _ARTICLES]
    return bool(before) and before[-1] in _PLACING


def _is_doing(words: str) -> bool:
    return any(word.endswith("ing") and len(word) > 5 for word in words_of(words))


def _ends(prompt: str) -> list[int]:
    return [start + len(word) for word, start in word_spans(prompt)]


def _end(ends: Sequence[int], count: int) -> int:
    """Where the first ``count`` words end."""
    return ends[count - 1] if count else 0


def _trimmed(piece: str) -> str:
    return piece.strip(" \t\n,.;:")


def _tidy(prompt: str) -> str:
    return " ".join(prompt.split()).lstrip(" ,.;")
