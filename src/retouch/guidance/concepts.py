"""Several edits as one line of text: "a hat=6; -scarf=5" adds a hat and takes a scarf away."""

from __future__ import annotations

from dataclasses import dataclass

from retouch.errors import BadParameter
from retouch.weights import unweighted

_FORM = "write for instance a hat=6; -scarf=5@0.8, that is concept=scale@threshold, a - before it to take it away"


@dataclass(frozen=True)
class Concept:
    """One edit e_i.

    Attributes:
        text: what it adds, or takes away.
        scale: s_i, at least 0.
        threshold: λ_i, 0..1.
        away: whether the picture is led away from it.
    """

    text: str
    scale: float
    threshold: float
    away: bool = False


def read_concepts(text: str, scale: float, threshold: float) -> list[Concept]:
    """The concepts of a line, in order; ``scale`` and ``threshold`` hold where an entry names none of its own.

    Raises:
        BadParameter: when an entry is not of the form ``[-]concept[=scale][@threshold]``, scales 0..50, thresholds
            0..1, or names no concept.
        BadPrompt: when single words of a concept are weighted.
    """
    entries = [entry.strip() for entry in text.split(";")]
    if not any(entries):
        return []
    return [_concept(entry, scale, threshold) for entry in entries if entry]


def _concept(entry: str, scale: float, threshold: float) -> Concept:
    rest, at, limit = entry.rpartition("@")
    if not at:
        rest, limit = entry, str(threshold)
    words, equals, size = rest.rpartition("=")
    if not equals:
        words, size = rest, str(scale)
    words, away = words.strip(), words.strip().startswith("-")
    words = unweighted(words.removeprefix("-").strip(), "concepts")
    try:
        concept = Concept(words, float(size), float(limit), away)
    except ValueError:
        raise BadParameter(f"concepts holds {entry!r}, which is not in the right form: {_FORM}.") from None
    if not words:
        raise BadParameter(f"concepts holds {entry!r}, which names no concept: {_FORM}.")
    if not (0 <= concept.scale <= 50 and 0 <= concept.threshold <= 1):
        raise BadParameter(f"concepts holds {entry!r}: a scale lies in 0..50 and a threshold in 0..1.")
    return concept
