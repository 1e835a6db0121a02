"""One edit to be done, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Generator, Tensor

from retouch.backbone.protocol import Backbone
from retouch.errors import BadPrompt
from retouch.fit.fitted import Fit
from retouch.fit.work import Work
from retouch.parts.inversions import Inversions


@dataclass(frozen=True)
class Job:
    """One edit to be done.

    ``latents`` is the picture's z_0 [1, C, h, w], ``picture`` itself [1, 3, H, W] in -1..1 on the model's grid;
    ``source`` may be missing where a method does not need it;
    ``progress`` is called with the number of steps just finished; ``mask`` [1, 1, h, w] in 0..1, at the latents' size,
    says where the picture may change, and ``foreground`` likewise where its subject is, for methods that treat that
    apart; ``inversions`` are shared by the edits of one picture. Methods that optimise
    draw from ``seed`` and run under ``work``, which knows what it is for; with a ``fit`` they only sample.
    ``reference`` is another picture's z_0, of the same shape; ``negative`` is the negative prompt. ``notes`` tell what
    was done to the input or cut off the prompts, in sentences. With ``keeps`` the outcome should hold a source branch,
    whether or not the method needs one. ``strength`` 0..1 is that of the whole edit: 1 is the method's own.
    ``preview`` is called with the target's ẑ_0 [1, C, h, w] after every step.
    """

    model: Backbone
    latents: Tensor
    target: str
    source: str | None
    generator: Generator
    progress: Callable[[int], None]
    mask: Tensor | None = None
    inversions: Inversions = field(default_factory=Inversions)
    seed: int = 0
    fit: Fit | None = None
    work: Work = field(default_factory=Work)
    reference: Tensor | None = None
    foreground: Tensor | None = None
    notes: tuple[str, ...] = ()
    keeps: bool = False
    negative: str | None = None
    strength: float = 1.0
    preview: Callable[[Tensor], None] | None = None
    picture: Tensor | None = None


@dataclass(frozen=True)
class Outcome:
    """What came out: the target's latents, the source branch's where there is one, and where the edit was allowed.

    ``notes`` are sentences on what the user should know of it. ``decode`` makes pictures [B, 3, H, W] in -1..1 of
    latents where that is not the model's own way alone.
    """

    target: Tensor
    source: Tensor | None = None
    mask: Tensor | None = None
    notes: Sequence[str] = ()
    decode: Callable[[Tensor], Tensor] | None = None


def source_of(job: Job, method: str) -> str:
    """The job's source prompt.

    Raises:
        BadPrompt: when there is none.
    """
    if not job.source:
        raise BadPrompt(f"{method} needs to know what the picture shows: give a source prompt.")
    return job.source
