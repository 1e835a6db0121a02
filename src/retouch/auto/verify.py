"""Whether an edit shows what was asked, and still shows the rest: by sentences that CLIP compares it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.auto.texts import changes, swapped
from retouch.backbone.clip import Clip
from retouch.backbone.rungs import Calibration


@dataclass(frozen=True)
class Verdict:
    """What is made of an edit, in nats: differences of logits between sentences.

    Attributes:
        asked: by how much the target fits better than the source, and than every half-done change.
        gained: how far the picture came from the source towards the target.
        kept: by how much the target fits better than any sentence that says something else of what stays, or than it
            did with the picture itself where that is less; None where no such sentence is known.
        short: what there is too little of, "asked", "gained" or "kept"; "" where it is enough.
        score: the higher, the better; of edits that pass and of those that do not.
    """

    asked: float
    gained: float
    kept: float | None
    short: str
    score: float

    @property
    def passed(self) -> bool:
        """Whether the edit is verified."""
        return not self.short

    def __str__(self) -> str:
        found = {"": "verified", "kept": "which changed more than was asked"}.get(self.short, "not what was asked")
        kept = "" if self.kept is None else f", kept {self.kept:+.1f}"
        return f"{found} (asked {self.asked:+.1f}{kept})"

    def figures(self) -> dict[str, float | bool | None]:
        """For the recipe, rounded so that a bit more or less on another machine is not seen."""
        kept = None if self.kept is None else round(self.kept, 2)
        return {"asked": round(self.asked, 2), "gained": round(self.gained, 2), "kept": kept, "verified": self.passed}


Verifier = Callable[[Image.Image], Verdict]
"""Looks at an edit."""


class ClipVerifier:
    """Verifies edits of one picture by a CLIP model.

    Args:
        picture: before the edit, RGB.
        source, target: what it shows and should show; they must differ.
        box: what part of an edit the picture is, (left, top, right, bottom) in pixels; None for all of it.

    Raises:
        BadModel: when there is no such CLIP model.
    """

    def __init__(
        self,
        clip: Clip,
        calibration: Calibration,
        picture: Image.Image,
        source: str,
        target: str,
        box: tuple[int, int, int, int] | None = None,
    ) -> None:
        self._clip, self._calibration, self._box = clip, calibration, box
        self.about = {"name": clip.name, "fingerprint": clip.fingerprint}
        self._rivals = [source, *half_done(source, target)]
        asked, self._stays, before = others(source, target, calibration.alternatives)
        self._rivals += [sentence for sentence in asked if sentence not in self._rivals]
        self._sentences = self._read(target, *self._rivals, *self._stays)
        seen = self._seen(picture)
        logits = self._logits(seen, self._sentences)
        self._before = float(logits[0] - logits[1])
        own = self._logits(seen, self._read(source, *before))
        self._lead = (own[0] - own[1:]).clamp(max=0)  # where the picture itself is doubtful, the edit may be

    def __call__(self, edit: Image.Image) -> Verdict:
        """What it makes of an edit."""
        logits = self._logits(self._seen(edit if self._box is None else edit.crop(self._box)), self._sentences)
        leads, there = logits[0] - logits[1:], len(self._rivals)
        asked, gained = float(leads[:there].min()), float(leads[0]) - self._before
        kept = float((leads[there:] - self._lead).min()) if self._stays else None
        least = self._calibration
        margins = {"asked": asked - least.asked, "gained": gained - least.gained}
        if kept is not None:
            margins["kept"] = kept - least.kept
        weakest = min(margins, key=margins.__getitem__)
        return Verdict(asked, gained, kept, weakest if margins[weakest] < 0 else "", margins[weakest])

    def _seen(self, image: Image.Image) -> Tensor:
        """The whole picture, whatever its shape: an edit at its edge must be seen."""
        side = self._clip.side
        small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(small, np.float32) / 255).permute(2, 0, 1)[None]
        with torch.no_grad():
            return self._clip.look(pixels)[0]

    def _read(self, *sentences: str) -> tuple[Tensor, Tensor]:
        """What sentences say, and what is to be taken off their logits."""
        of_kinds = [phrases for phrases in self._calibration.alternatives if "" in phrases]
        bare = [sum(_said(sentence, phrases) == "" for phrases in of_kinds) for sentence in sentences]
        return self._clip.read(*sentences), self._calibration.bare * torch.tensor(bare, dtype=torch.float32)

    def _logits(self, seen: Tensor, read: tuple[Tensor, Tensor]) -> Tensor:
        return (self._clip.scale * read[0] @ seen).cpu() - read[1]


def half_done(source: str, target: str) -> list[str]:
    """The target with one of its changes undone, where there are several."""
    found = changes(source, target)
    return [change.undone for change in found] if len(found) > 1 else []


def others(source: str, target: str, alternatives: Sequence[Sequence[str]]) -> tuple[list[str], list[str], list[str]]:
    """Sentences that say something else than the target of a thing that is asked for, and of one that stays.

    Args:
        alternatives: phrases of one kind, see :class:`retouch.backbone.rungs.Calibration`.

    Returns:
        those of what is asked, those of what stays, and the latter said of the source.
    """
    asked, stays, before = list[str](), list[str](), list[str]()
    for phrases in alternatives:
        old, new = _said(source, phrases), _said(target, phrases)
        if new is None:
            continue
        rest = [phrase for phrase in phrases if phrase != new]
        if old != new:
            asked += _saying(target, new, rest)
        else:
            stays += _saying(target, new, rest)
            before += _saying(source, new, rest)
    return asked, stays, before


def _said(prompt: str, phrases: Sequence[str]) -> str | None:
    """Which of the phrases the prompt says; "" where it leaves out what may be left out, None where it says nothing."""
    said = [phrase for phrase in phrases if phrase and swapped(prompt, phrase, [phrase])]
    return max(said, key=len) if said else "" if "" in phrases else None


def _saying(prompt: str, phrase: str, instead: Sequence[str]) -> list[str]:
    return swapped(prompt, phrase, instead) if phrase else [f"{prompt}, {other}" for other in instead]
