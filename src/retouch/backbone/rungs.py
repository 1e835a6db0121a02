"""What a model's folder recommends to whoever chooses a method for an edit: what to try, and how it is verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retouch.prompts import words_of


@dataclass(frozen=True)
class Rung:
    """One thing to try.

    Attributes:
        method: its name.
        settings: on top of what is recommended for the method.
        seed: added to the edit's.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Calibration:
    """What an edit must come to before it counts as done, in nats: differences of CLIP's logits between sentences.

    Attributes:
        asked: by how much the target must at least fit better than the source and than every half-done change.
        gained: how far this must have come at least from where it was with the picture itself.
        kept: by how much less than any other sentence the target may fit, which says something else of what stays.
        bare: by how much a sentence that leaves out one of the phrases below fits too well.
        alternatives: phrases of one kind, of which a picture shows one. An empty one may be left out of a sentence;
            it is added at the end where the sentence holds none.
    """

    asked: float = 0.0
    gained: float = 1.0
    kept: float = 0.0
    bare: float = 0.0
    alternatives: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Ladder:
    """What to try, the cheapest first.

    Attributes:
        rungs: for every edit.
        when_changed: in their place, for edits in which one of the words comes or goes; the first that fits.
        clip: the CLIP model that verifies, by name; "" for none.
        calibration: how it does.
    """

    rungs: Sequence[Rung] = ()
    when_changed: Sequence[tuple[frozenset[str], Sequence[Rung]]] = ()
    clip: str = ""
    calibration: Calibration = field(default_factory=Calibration)

    def for_edit(self, source: str, target: str) -> Sequence[Rung]:
        """What to try for one edit."""
        changed = set(words_of(source)) ^ set(words_of(target))
        return next((rungs for words, rungs in self.when_changed if words & changed), self.rungs)


def read_ladder(content: Mapping[str, Any]) -> Ladder:
    """The ``"auto"`` of a model folder's ``retouch.json``.

    ``{"clip": NAME, "asked": NATS, "gained": NATS, "kept": NATS, "bare": NATS, "alternatives": [[PHRASE, ...], ...],
    "ladder": [{"method": NAME, "settings": {...}, "seed": NUMBER}, ...], "when_changed": [{"words": [...], "ladder":
    [...]}]}``, every part optional but the ladders' methods.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: when it is not of this form.
    """
    usual = Calibration()
    least = {name: float(content.get(name, getattr(usual, name))) for name in ("asked", "gained", "kept", "bare")}
    alternatives = [[str(phrase) for phrase in phrases] for phrases in content.get("alternatives", [])]
    rules = [
        (frozenset(str(word).lower() for word in rule["words"]), _rungs(rule["ladder"]))
        for rule in content.get("when_changed", [])
    ]
    calibration = Calibration(**least, alternatives=alternatives)
    return Ladder(_rungs(content.get("ladder", [])), rules, str(content.get("clip", "")), calibration)


def _rungs(content: Any) -> list[Rung]:
    return [Rung(str(one["method"]), dict(one.get("settings", {})), int(one.get("seed", 0))) for one in content]
