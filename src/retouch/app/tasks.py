"""What the studio asks of the process that holds the model, and what that answers: plain data, pictures as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        picture: the picture, PNG.
        mask: where it may happen, PNG; None for everywhere.
        settings: parameters that were set by hand.
        strength: 0..1; None for the method's own.
        region: a word for the part of the picture that is edited, or (left, top, right, bottom) in pixels; "" for all
            of it.
        size: the working size in pixels; None for the model's own.
        parts: inversion, control, guidance and sampler in place of the method's own.
        upscaler: one of those that the studio was started with; "" for none.
        foreground, reference: where the subject is, and the picture whose background the edit should have, PNG.
    """

    picture: bytes
    source: str
    target: str
    negative: str = ""
    method: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    strength: float | None = None
    keep: str = "auto"
    seed: int = 0
    mask: bytes | None = None
    region: str | tuple[float, ...] = ""
    size: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    upscaler: str = ""
    foreground: bytes | None = None
    reference: bytes | None = None


@dataclass(frozen=True)
class Sweep:
    """A fit by the edit's method, and an edit from it for every eta and seed; no etas: for every seed."""

    edit: Edit
    etas: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Mark:
    """Where a thing is: by a word, in words of a prompt, or by points (x, y) in pixels on it."""

    picture: bytes
    word: str = ""
    prompt: str = ""
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Caption:
    """What a picture shows, in a sentence."""

    picture: bytes


Task = Edit | Sweep | Mark | Caption


@dataclass(frozen=True)
class Made:
    """One picture that came out.

    Attributes:
        picture: PNG, with the recipe inside.
        changed: how much of the edit each pixel takes, PNG (L); None where nothing was kept.
        untouched: the share of pixels that are the input's own, 0..1.
    """

    picture: bytes
    recipe: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    evaluations: int = 0
    untouched: float | None = None
    changed: bytes | None = None


@dataclass(frozen=True)
class Found:
    """A mask, PNG (L), and what is to be said of it."""

    mask: bytes
    notes: tuple[str, ...] = ()


Answer = tuple[Made, ...] | Found | str


@dataclass(frozen=True)
class Progress:
    """How far a task is: steps done of all steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Detail:
    """A few words on what is going on."""

    words: str


@dataclass(frozen=True)
class Preview:
    """What an edit leads to by now, as JPEG."""

    picture: bytes


News = Progress | Detail | Preview


@dataclass(frozen=True)
class Refused:
    """Why a task came to nothing: a sentence for the visitor."""

    sentence: str


@dataclass(frozen=True)
class Ended:
    """A task was told to end, and did."""


@dataclass(frozen=True)
class Load:
    """The model is to be loaded now: until then the page comes first."""


@dataclass(frozen=True)
class Loaded:
    """The model is there."""


@dataclass(frozen=True)
class Loading:
    """What is loaded, as the command line says it; nothing of it comes from a browser.

    Attributes:
        how: arguments of ``Editor.from_pretrained``.
        upscalers: those that visitors may choose from.
    """

    model: str = "diorama"
    device: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)
    upscalers: tuple[str, ...] = ()
