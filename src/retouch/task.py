"""From what a caller asks to a job for a method, everything checked and encoded; and the recipe of the result."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from retouch.arguments import check_arguments
from retouch.backbone.protocol import Backbone
from retouch.errors import BadFit, BadParameter, BadPrompt, RetouchError
from retouch.fit.fitted import Fit
from retouch.fit.work import Work
from retouch.methods.composition import Composed
from retouch.methods.method import Method
from retouch.methods.mix import recommended_for
from retouch.methods.optimising import Optimising
from retouch.methods.registry import method_type, methods, needs_source
from retouch.parameters import read_settings
from retouch.parts.inversions import Inversions
from retouch.parts.job import Job
from retouch.picture import Fitted, Picture, fit, fit_mask, from_image, read_mask, read_picture, to_array

DEFAULT_METHOD = "prox-npi"

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""

Detail = Callable[[str], None]
"""Called with a few words on what is going on."""

AnyPicture = str | PathLike[str] | Image.Image | Picture
AnyMask = str | PathLike[str] | Image.Image


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller asks of an editor; the fields are the arguments of :meth:`Editor.edit`."""

    image: AnyPicture
    source: str | None = None
    target: str | None = None
    method: str | Method | None = None
    parts: Mapping[str, str | None] = field(default_factory=dict)
    mask: AnyMask | None = None
    reference: AnyMask | None = None
    seed: int = 0
    progress: Progress | None = None
    detail: Detail | None = None
    inversions: Inversions | None = None
    fit: Fit | None = None
    budget: float | None = None
    checkpoint: str | PathLike[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A job for a method, and what is needed to make a result of its outcome.

    Attributes:
        fitted: the picture on the model's grid, and the way back.
        notes: what was done to the input or cut off the prompts, in sentences.
        began: when, by the monotonic clock.
        evaluated: the model's network evaluations before it.
    """

    job: Job
    method: Method
    fitted: Fitted
    notes: tuple[str, ...]
    began: float
    evaluated: int


def prepare(model: Backbone, request: Request) -> Task:
    """Checks a request and makes it ready for its method.

    Raises:
        BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
    """
    check_arguments(request)
    began, seed, made = time.monotonic(), checked_seed(request.seed), request.fit
    source, target = request.source, request.target
    if made is not None:
        source, target = _prompts_of(made, model, request)
    for prompt in (source, target):
        if prompt is not None:
            _check_text(prompt)
    if not target or not target.strip():
        raise BadPrompt("the target prompt is empty: say what the picture should show.")
    if source is not None and not source.strip():
        source = None
    method = _method_of(model, request, source, target)
    if source is None and method.needs_source:
        raise needs_source(method.name)
    picture = opened(request.image)
    fitted = fit(picture.image, model.native_side, model.pixel_multiple)
    plane, mask_notes = (None, ()) if request.mask is None else fit_mask(read_mask(request.mask), fitted)
    notes = [*picture.notes, *fitted.notes, *mask_notes, *_cut_off(model, source, target)]
    if source and source.split() == target.split():
        notes.append(_same_prompts(method, plane is not None))
    reference = None
    if request.reference is not None:
        reference = ImageOps.fit(opened(request.reference).image, fitted.image.size, Image.Resampling.LANCZOS)
    identity = {
        "model": model.fingerprint, "picture": _digest(fitted.image), "method": method.name, "source": source,
        "target": target, "seed": seed, "mask": None if plane is None else _digest(plane),
        "reference": None if reference is None else _digest(reference),
        "parameters": method.parameters_of_fit() if isinstance(method, Optimising) else asdict(method),
    }  # fmt: skip
    if made is not None and made.recipe.get("picture") != identity["picture"]:
        raise BadFit("the fit was made for another picture: give the picture that it was made for.")

    before, done = model.evaluations, 0
    total = method.steps() - (method.fit_steps() if made is not None and isinstance(method, Optimising) else 0)

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        if request.progress:
            request.progress(done, total)

    optimises = method.optimises and made is None
    checkpoint = Path(request.checkpoint) if request.checkpoint is not None and optimises else None
    work = Work(request.budget, checkpoint, identity, request.detail or (lambda words: None))
    with room_on(model):
        latents, background = (
            None if image is None else model.encode(torch.from_numpy(to_array(image))[None])
            for image in (fitted.image, reference)
        )
    assert latents is not None
    job = Job(
        model, latents, target, source, torch.Generator().manual_seed(seed), advance,
        None if plane is None else _latent_mask(plane, latents), request.inversions or Inversions(), seed,
        None if made is None else _on(made, model.device), work, identity, background,
    )  # fmt: skip
    return Task(job, method, fitted, tuple(notes), began, before)


def method_for(
    model: Backbone, name: str, source: str | None, target: str, settings: Mapping[str, Any], **parts: str | None
) -> Method:
    """The method ``name`` as an edit would run it: with what the model recommends, and ``settings`` on top."""
    kind = method_type(name, **parts)
    recommended = model.recommended.for_edit(name, source, target)
    base = method_type(name)
    if kind is not base and issubclass(kind, Composed) and issubclass(base, Composed):
        follows = recommended_for(base, kind, methods())  # what is recommended for an exchanged part goes with it
        per_method = {m: model.recommended.for_edit(m, source, target) for m in set(follows.values())}
        recommended = {p: per_method[m][p] for p, m in follows.items() if p in per_method[m]}
    return kind(**read_settings(kind, {**recommended, **settings}, name))


def _same_prompts(method: Method, masked: bool) -> str:
    if method.reconstructs(masked):
        return "the two prompts say the same: expect the picture back."
    return (
        f"the two prompts say the same: {method.name} returns no exact picture then; for a check of the inversion use "
        "negative-prompt."
    )


def recipe_of(task: Task) -> dict[str, Any]:
    """What an edit's file says about it: everything needed to do it again, JSON-ready."""
    from importlib.metadata import version

    job, method = task.job, task.method
    recipe: dict[str, Any] = {
        "retouch": version("retouch"),
        "model": job.model.name,
        "fingerprint": job.model.fingerprint,
        "method": method.name,
        **({"parts": method.parts} if isinstance(method, Composed) else {}),
        "parameters": asdict(method),
        "source": job.source,
        "target": job.target,
        "seed": job.seed,
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }
    recipe |= {key: job.recipe[key] for key in ("mask", "reference") if job.recipe.get(key)}
    done = job.fit or job.work
    if done.steps:
        recipe["fit"] = {"steps": dict(done.steps), "losses": dict(done.losses), "stopped": done.stopped}
    if job.fit:
        recipe.setdefault("fit", {})["seed"] = job.fit.recipe.get("seed")
    return recipe


@contextmanager
def room_on(model: Backbone) -> Iterator[None]:
    """Turns a full device into a sentence.

    Raises:
        RetouchError: when memory ran out inside.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RetouchError(
            f"{model.device} has too little free memory for {model.name!r}: close other programs, or use the cpu."
        ) from error


def opened(image: AnyPicture) -> Picture:
    """A picture from wherever it comes.

    Raises:
        BadPicture: when it cannot be read.
    """
    if isinstance(image, Picture):
        return image
    return read_picture(image) if isinstance(image, str | PathLike) else from_image(image)


def checked_seed(seed: int) -> int:
    """A seed as a whole number of Python's.

    Raises:
        BadParameter: when it is none, or outside 0..2^63-1.
    """
    try:
        number = index(seed)
    except TypeError:
        raise BadParameter(f"seed is {seed!r}, expected a whole number in 0..2^63-1.") from None
    if not 0 <= number < 2**63:
        raise BadParameter(f"seed is {number}, expected a whole number in 0..2^63-1.")
    return number


def _method_of(model: Backbone, request: Request, source: str | None, target: str) -> Method:
    settings, method = request.settings, request.method
    if isinstance(method, Method):
        if settings or any(request.parts.values()):
            raise BadParameter("settings and parts go with a method's name; this method is an object that has its own.")
        return method
    if request.fit is not None:
        made = dict(request.fit.recipe.get("parameters", {}))
        for name in settings:
            if name in made:
                raise BadParameter(
                    f"{name} was fixed when the fit was made ({made[name]!r}): leave it out, or fit anew."
                )
        settings, method = {**made, **settings}, request.fit.method
    return method_for(model, method or DEFAULT_METHOD, source, target, settings, **request.parts)


def _prompts_of(made: Fit, model: Backbone, request: Request) -> tuple[str | None, str | None]:
    """The prompts that a fit was made for; refuses a fit for something else."""
    recipe, method = made.recipe, request.method
    name = method.name if isinstance(method, Method) else method
    if recipe.get("model") != model.fingerprint:
        raise BadFit(
            f"the fit was made for the checkpoint {recipe.get('model')}, and {model.name!r} is {model.fingerprint}: "
            "make a fit with this model."
        )
    if name is not None and name != made.method:
        raise BadFit(f"the fit was made by {made.method}, and the method is {name}: leave the method out.")
    if request.target and request.target != recipe.get("target"):
        raise BadFit(f"the fit was made for the target {recipe.get('target')!r}: leave the target out, or fit anew.")
    return request.source or recipe.get("source"), recipe.get("target")


def _cut_off(model: Backbone, *prompts: str | None) -> list[str]:
    return [
        f"the prompt is longer than the model reads ({model.max_tokens} tokens); cut off: {rest!r}."
        for prompt in filter(None, prompts)
        if (rest := model.truncated(prompt))
    ]


def _check_text(prompt: object) -> None:
    """Refuses what no tokenizer takes: anything but text, and bytes that a terminal could not decode."""
    if not isinstance(prompt, str):
        raise BadPrompt(f"a prompt is {prompt!r}, expected text.")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise BadPrompt(f"the prompt {prompt!a} holds bytes that are not text: write it in UTF-8.") from None


def _latent_mask(plane: Image.Image, latents: Tensor) -> Tensor:
    """A mask (L) on the model's grid as [1, 1, h, w] in 0..1 at the latents' size, averaged over each cell."""
    small = plane.resize((latents.shape[-1], latents.shape[-2]), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)[None, None].to(latents.device)


def _digest(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def _on(made: Fit, device: torch.device) -> Fit:
    return replace(made, embeds={name: value.to(device) for name, value in made.embeds.items()})
