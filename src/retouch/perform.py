"""What is asked of an editor, done: the method run on its job, and what came out as pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter
from retouch.idle import seed_note
from retouch.methods.optimising import Optimising
from retouch.prepare import prepare
from retouch.recipe import recipe_of
from retouch.request import Request
from retouch.result import EditResult, decoded, mask_picture


def edited(model: Backbone, request: Request) -> EditResult:
    """The request's method run, and its outcome as a picture at the size of the input."""
    began, evaluated = time.monotonic(), model.evaluations
    method, job, fitted = prepare(model, request)
    before = job.generator.get_state()
    outcome = method.edit(job)
    image = fitted.restore(decoded(model, outcome.target))
    notes = (*job.notes, *outcome.notes, *seed_note(method, job, before), *filter(None, [job.work.message]))
    return EditResult(
        image, recipe_of(job, method), time.monotonic() - began, model.evaluations - evaluated, notes,
        mask_picture(outcome.mask, fitted), job.work.checkpoint, model, outcome, fitted,
    )  # fmt: skip


def variations(
    model: Backbone, request: Request, seeds: Sequence[int], etas: Sequence[float] | None
) -> list[EditResult]:
    """One result for every eta and seed, sampled from the request's fit in batches."""
    began = time.monotonic()
    method, job, fitted = prepare(model, request)
    assert isinstance(method, Optimising) and job.fit is not None
    if etas is not None and "eta" not in method.sampling:
        raise BadParameter(f"{method.name} has no eta to vary: leave etas out.")
    if not seeds or etas == []:
        raise BadParameter("there is nothing to sample: give at least one seed, and one eta if any.")
    methods = [method] if etas is None else [replace(method, eta=eta) for eta in etas]  # type: ignore[call-arg]
    chosen = [(kind, seed) for kind in methods for seed in seeds]
    noises = [kind.noise(job, torch.Generator().manual_seed(seed)) for kind, seed in chosen]
    latents = method.sample(job, job.fit, noises, [kind.conditions(job.fit) for kind, _ in chosen])
    images = [fitted.restore(decoded(model, one[None])) for one in latents]
    seconds, cost = (time.monotonic() - began) / len(chosen), method.evaluations() - method.fit_evaluations()
    return [
        EditResult(image, recipe_of(replace(job, seed=seed), kind), seconds, cost, job.notes)
        for (kind, seed), image in zip(chosen, images, strict=True)
    ]
