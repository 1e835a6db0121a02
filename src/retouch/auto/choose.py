"""An edit by whichever method does it: the ladder for it climbed, and what was tried said and kept in the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import fspath

from retouch.arguments import check_arguments
from retouch.auto.climb import Climbed, Try, climb
from retouch.auto.ladder import rungs_for
from retouch.auto.texts import changes, kind_of
from retouch.auto.verify import ClipVerifier
from retouch.backbone.clip import Clip, clip_for
from retouch.backbone.protocol import Backbone
from retouch.backbone.rungs import Calibration, Rung
from retouch.errors import BadParameter
from retouch.methods.registry import needs_source
from retouch.part import cut
from retouch.parts.inversions import Inversions
from retouch.perform import edited
from retouch.request import AUTO, Request, checked_seed, prompts_of
from retouch.result import EditResult
from retouch.weights import plain, read_weights

MOST = 16
"""Candidates at a time."""


def edit(model: Backbone, request: Request) -> EditResult:
    """The edit by the method that is named, or by the one chosen where none is: neither method nor fit nor parts.

    Raises:
        RetouchError: a sentence that says what to do.
    """
    if request.method == AUTO:
        return chosen(model, request)
    if request.method is None and request.fit is None and not any(request.parts.values()):
        return chosen(model, request)
    if request.clip is not None:
        request = replace(request, settings={**request.settings, "clip": request.clip}, clip=None)
    return edited(model, request)


def chosen(model: Backbone, request: Request) -> EditResult:
    """The edit that is verified first, or the best of those tried; all of their cost, and what was tried.

    Raises:
        RetouchError: a sentence that says what to do.
    """
    rungs, verifier, why = _ready(model, request)
    full = _full(request)
    climbed = climb(model, full, rungs, verifier)
    best = climbed.best()[0]
    result, said = _as_strong(model, full, best, request.strength), _said(best, climbed, verifier, why)
    if result is not best.result and verifier is not None:
        said.append("it was chosen by the full edit, at strength 1.")
    told = _told(result, best, climbed, verifier, said)
    if result is best.result:
        return replace(told, evaluations=climbed.evaluations, seconds=climbed.seconds)
    evaluations, seconds = climbed.evaluations + result.evaluations, climbed.seconds + result.seconds
    return replace(told, evaluations=evaluations, seconds=seconds)


def candidates(model: Backbone, request: Request, count: int) -> list[EditResult]:
    """The ``count`` best edits, the best first, of all that are tried; each with its own cost.

    Raises:
        BadParameter: when ``count`` is outside 1..16.
        RetouchError: as :func:`chosen`.
    """
    check_count(count)
    rungs, verifier, why = _ready(model, request)
    full = _full(request)
    climbed = climb(model, full, rungs, verifier, count)
    return [
        _told(_as_strong(model, full, one, request.strength), one, climbed, verifier, why)
        for one in climbed.best()[:count]
    ]


def _full(request: Request) -> Request:
    """The request for the full edit, by which a method is chosen, so that all strengths are the same method's."""
    return replace(request, strength=None, inversions=request.inversions or Inversions())


def _as_strong(model: Backbone, full: Request, one: Try, strength: float | None) -> EditResult:
    """The edit of a try, made anew where another strength is wanted."""
    assert one.result is not None
    if strength is None or strength == 1:
        return one.result
    own = {"method": one.rung.method, "settings": one.rung.settings, "seed": one.seed, "clip": None}
    return edited(model, replace(full, strength=strength, progress=None, **own))  # type: ignore[arg-type]


def check_count(count: int, name: str = "candidates") -> None:
    """Refuses a number of candidates outside 1..16.

    Raises:
        BadParameter: saying so.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise BadParameter(f"{name} is {count!r}, expected a whole number in 1..{MOST}.")


def _ready(model: Backbone, request: Request) -> tuple[list[Rung], ClipVerifier | None, list[str]]:
    """What to try, what verifies, and a sentence where nothing does: all that is wrong is said here or by the first."""
    _refuse(request)
    source, target = prompts_of(request)
    if source is None:
        raise needs_source(AUTO)
    source, weights = plain(source), bool(read_weights(target).weights)
    target = plain(target)
    settings = {**request.settings, **({"reweight": ""} if weights else {})}
    rungs = rungs_for(model, source, target, settings)
    if weights:  # the prompt's own marks are read with the prompt
        rungs = [replace(one, settings={k: v for k, v in one.settings.items() if k != "reweight"}) for one in rungs]
    if not changes(source, target):
        return rungs[:1], None, []
    name = fspath(request.clip or model.recommended.ladder.clip)
    if not name:
        return rungs[:1], None, [_unverified(rungs[0].method, kind_of(source, target))]
    own = name == model.recommended.ladder.clip
    calibration = model.recommended.ladder.calibration if own else Calibration()
    clip, (_, where) = _clip(model, name), cut(model, request)
    return rungs, ClipVerifier(clip, calibration, where.part, source, target, where.box), []


def _refuse(request: Request) -> None:
    """Refuses what makes no sense where the method is chosen."""
    check_arguments(replace(request, method=None))
    checked_seed(request.seed)
    if any(request.parts.values()):
        axis = next(axis for axis, name in request.parts.items() if name)
        raise BadParameter(f"auto chooses the parts itself: leave {axis} out, or name the method that it is for.")
    if request.fit is not None:
        raise BadParameter("a fit brings its own method: leave auto out.")
    for name in ("reference", "foreground", "budget", "checkpoint"):
        if getattr(request, name) is not None:
            raise BadParameter(f"{name} has no effect: auto tries no method that takes one. Leave it out.")


def _clip(model: Backbone, name: str) -> Clip:
    clip = clip_for(model, name) if name == "auto" else Clip(name, model.device)
    _ = clip.side  # a wrong name is said before the work
    return clip


def _unverified(method: str, kind: str) -> str:
    what = {"added": "words are added", "removed": "words are removed", "swapped": "words are swapped"}
    why = what.get(kind, f"the {kind} changes")
    return (
        f"auto took {method}, because {why}, and could not verify the edit without a CLIP model: name one with --clip, "
        "for instance --clip openai/clip-vit-large-patch14."
    )


def _said(best: Try, climbed: Climbed, verifier: ClipVerifier | None, why: Sequence[str]) -> list[str]:
    """What was tried, in a sentence."""
    if verifier is None:
        return list(why)
    others = "; ".join(_shown(one) for one in climbed.tries if one is not best)
    if best.passed:
        return [f"auto took {_shown(best)}{f', after {others}' if others else ''}."]
    return [
        f"auto could not verify this edit: it took {_shown(best)}{f', before {others}' if others else ''}. Look at "
        "others with --candidates 4, or name a method."
    ]


def _shown(one: Try) -> str:
    """A try and what is made of it, in words."""
    settings = ", ".join(f"{name}={value}" for name, value in one.rung.settings.items())
    name = f"{one.rung.method}{f' with {settings}' if settings else ''}"
    if one.error:
        return f"{name}, which failed: {one.error.rstrip('.')}"
    return f"{name}, {one.verdict}"


def _told(
    result: EditResult, one: Try, climbed: Climbed, verifier: ClipVerifier | None, notes: Sequence[str]
) -> EditResult:
    """A try's result with what was tried in its recipe and notes."""
    tried = [each.figures() for each in climbed.tries]
    about = {"tried": tried, "taken": climbed.tries.index(one), "clip": verifier.about if verifier else None}
    return replace(result, recipe={**result.recipe, AUTO: about}, notes=(*result.notes, *notes))
