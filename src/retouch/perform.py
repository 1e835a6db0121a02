"""What is asked of an editor, done: the method run on its job, and what came out as pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.arguments import check_arguments
from retouch.backbone.protocol import Backbone
from retouch.backbone.upscaler import Upscaler
from retouch.errors import BadParameter
from retouch.idle import seed_note
from retouch.keep.edit import put_into
from retouch.keep.planes import Plane
from retouch.methods.optimising import Optimising
from retouch.part import Cut, cut
from retouch.parts.job import Job, Outcome
from retouch.picture import Fitted, Picture
from retouch.prepare import prepare
from retouch.recipe import picture_of, recipe_of
from retouch.request import CONTEXT, AnyPicture, Request
from retouch.result import EditResult, decoded_values, mask_picture, share_untouched


class _Put(NamedTuple):
    """An edit in its picture: the map of what it changed, the share of pixels as they were, and what to say of it."""

    image: Image.Image
    changed: Image.Image | None
    untouched: float
    notes: tuple[str, ...]


def edited(model: Backbone, request: Request) -> EditResult:
    """The request's method run, and its outcome as a picture at the size of the input."""
    began, evaluated = time.monotonic(), model.evaluations
    check_arguments(request)
    asked, where = cut(model, request)
    upscaler = _upscaler(model, request)
    method, job, fitted = prepare(model, asked)
    before = job.generator.get_state()
    outcome, drawn = _told(job, method.edit(job)), time.monotonic()
    put = _put(job, request, where, fitted, outcome, upscaler)
    finished = time.monotonic()
    notes = (*job.notes, *outcome.notes, *seed_note(method, job, before), *filter(None, [job.work.message]), *put.notes)
    notes += tuple(dict.fromkeys(model.remarks))
    mask = mask_picture(outcome.mask, fitted)
    return EditResult(
        put.image, _kept_recipe(recipe_of(job, method), request, where, put, upscaler), finished - began,
        model.evaluations - evaluated, notes,
        None if mask is None else where.put_back(mask, Image.new("L", where.whole.size)), job.work.checkpoint,
        put.untouched, put.changed, finished - drawn, model, outcome, fitted,
    )  # fmt: skip


def variations(
    model: Backbone, request: Request, seeds: Sequence[int], etas: Sequence[float] | None
) -> list[EditResult]:
    """One result for every eta and seed, sampled from the request's fit in batches."""
    began = time.monotonic()
    check_arguments(request)
    asked, where = cut(model, request)
    method, job, fitted = prepare(model, asked)
    assert isinstance(method, Optimising) and job.fit is not None
    if etas is not None and "eta" not in method.sampling:
        raise BadParameter(f"{method.name} has no eta to vary: leave etas out.")
    if not seeds or etas == []:
        raise BadParameter("there is nothing to sample: give at least one seed, and one eta if any.")
    methods = [method] if etas is None else [replace(method, eta=eta) for eta in etas]  # type: ignore[call-arg]
    chosen = [(kind, seed) for kind in methods for seed in seeds]
    told = [(kind.conditions(job.fit), seed) for kind, seed in chosen]
    unasked = method.unasked(job.fit) if job.keeps else None
    if unasked is not None:
        told += [(unasked, seed) for seed in dict.fromkeys(seeds)]
    noises = [method.noise(job, torch.Generator().manual_seed(seed)) for _, seed in told]
    latents = method.sample(job, job.fit, noises, [text for text, _ in told])
    sources = {seed: latents[i : i + 1] for i, (_, seed) in enumerate(told) if i >= len(chosen)}
    decode = method.decoder(job, job.fit)
    puts = [
        _put(job, request, where, fitted, _told(job, Outcome(one[None], sources.get(seed), decode=decode)))
        for (_, seed), one in zip(chosen, latents[: len(chosen)], strict=True)
    ]
    seconds = (time.monotonic() - began) / len(chosen)
    alone = 1 if unasked is None else 2  # pictures that a sample of its own would take
    cost = alone * (method.evaluations() - method.fit_evaluations())
    return [
        EditResult(
            put.image, _kept_recipe(recipe_of(replace(job, seed=seed), kind), request, where, put), seconds, cost,
            (*job.notes, *put.notes, *dict.fromkeys(model.remarks)), untouched=put.untouched, changed=put.changed,
        )
        for (kind, seed), put in zip(chosen, puts, strict=True)
    ]  # fmt: skip


def _upscaler(model: Backbone, request: Request) -> Upscaler | None:
    """The request's upscaler, loaded: a wrong name is said before the work."""
    return None if request.upscaler is None else Upscaler(request.upscaler, model.device)


def _told(job: Job, outcome: Outcome) -> Outcome:
    """The outcome with its way to pictures: the model's own under the target prompt, where the method has none."""
    if outcome.decode is not None:
        return outcome

    def decode(latents: Tensor) -> Tensor:
        return job.model.decode(latents, job.model.condition([job.target]) if job.model.draws_by_text else None)

    return replace(outcome, decode=decode)


def _put(
    job: Job, request: Request, where: Cut, fitted: Fitted, outcome: Outcome, upscaler: Upscaler | None = None
) -> _Put:
    """The target's latents as a picture, in the input's place, where it changed something and may."""
    now = _plane(job.model, outcome.target, outcome, fitted)
    finer, notes = _finer(now, fitted, upscaler)
    if request.keep == "off" and where.mask is None:
        image = where.put_back(_restored(now if finer is None else finer, fitted))
        return _Put(image, None, share_untouched(where.whole, image), notes)
    unasked = job.latents if outcome.source is None else outcome.source
    shown = np.asarray(fitted.image, np.float32)[_inner(fitted)]
    then = _plane(job.model, unasked, outcome, fitted)
    part, weight, whole = put_into(
        where.part, shown, then, now, changed_only=request.keep != "off", everywhere=request.keep == "exact",
        mask=where.mask, finer=finer,
    )  # fmt: skip
    if whole and where.mask is None:
        part = _restored(now if finer is None else finer, fitted)
        notes += ("the edit changed the picture everywhere: it is returned as the model drew it (keep=exact keeps all "
                 "that it can).",)  # fmt: skip
    image = where.put_back(part)
    taken = where.put_back(Image.fromarray(np.ceil(weight * 255).astype(np.uint8)), Image.new("L", where.whole.size))
    return _Put(image, taken, share_untouched(where.whole, image), notes)


def _finer(drawn: Plane, fitted: Fitted, upscaler: Upscaler | None) -> tuple[Plane | None, tuple[str, ...]]:
    """What the model drew, enlarged by another, where the picture is larger; and a note where it is not."""
    if upscaler is None:
        return None, ()
    if fitted.size[0] <= drawn.shape[1]:
        return None, ("the upscaler has no effect: the picture is no larger than the model's own.",)
    return upscaler.enlarged(drawn), ()


def _restored(drawn: Plane, fitted: Fitted) -> Image.Image:
    """What was drawn as a picture of the input's size."""
    image = Image.fromarray(np.rint(drawn).astype(np.uint8))
    return image if image.size == fitted.size else image.resize(fitted.size, Image.Resampling.LANCZOS)


def _inner(fitted: Fitted) -> tuple[slice, slice]:
    left, top, right, bottom = fitted.box
    return slice(top, bottom), slice(left, right)


def _plane(model: Backbone, latents: Tensor, outcome: Outcome, fitted: Fitted) -> Plane:
    """The picture of latents in 0..255 without the margin, not rounded."""
    return np.ascontiguousarray(decoded_values(model, latents, outcome.decode)[_inner(fitted)])


def _kept_recipe(
    recipe: dict[str, Any], request: Request, where: Cut, put: _Put, upscaler: Upscaler | None = None
) -> dict[str, Any]:
    """The recipe with what picture it was, how it was kept, and what part of it was edited."""
    recipe["picture"] = picture_of(where.whole, _path(request.image))
    recipe |= {"keep": request.keep, "untouched": round(put.untouched, 6)}
    if request.region is not None:
        assert where.mask is not None
        recipe["region"] = request.region if isinstance(request.region, str) else [float(v) for v in request.region]
    if upscaler is not None:
        recipe["upscaler"] = {"name": upscaler.name, "fingerprint": upscaler.fingerprint}
    if request.context != CONTEXT:
        recipe["context"] = request.context
    return recipe


def _path(image: AnyPicture) -> str | PathLike[str] | None:
    """Where a picture lies, if that is known."""
    if isinstance(image, Image.Image):
        return None
    return image.path if isinstance(image, Picture) else image
