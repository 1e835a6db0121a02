"""From what a caller asks to a job for a method: everything checked, then encoded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from retouch.backbone.protocol import Backbone
from retouch.cut_off import cut_off_notes
from retouch.errors import BadFit, BadParameter
from retouch.estimate import check_memory
from retouch.fit.fitted import Fit
from retouch.fit.weights import check_trainable
from retouch.fit.work import Work
from retouch.idle import idle_notes, set_by_hand
from retouch.methods.composition import Composed
from retouch.methods.method import Method
from retouch.methods.optimising import Optimising
from retouch.negative import negative_acts, negative_cut_off
from retouch.parameters import parameters_of
from retouch.parts.asked import Asked
from retouch.parts.inversions import Inversions
from retouch.parts.job import Job
from retouch.picture import Fitted, Picture, fit, fit_mask, from_image, opened_mask, read_picture, to_array
from retouch.recipe import identity_of
from retouch.request import (
    AnyMask,
    AnyPicture,
    Request,
    check_fit,
    checked_seed,
    method_of,
    negative_of,
    prompts_of,
    size_of,
    strength_of,
)
from retouch.result import glimpse
from retouch.weighed import weighed


def prepare(model: Backbone, request: Request) -> tuple[Method, Job, Fitted]:
    """Checks a request and makes it ready: the method, its job, and the picture on the model's grid with the way back.

    Raises:
        BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
    """
    request, of_weights = weighed(request)
    seed = checked_seed(request.seed)
    (source, target), negative = prompts_of(request), negative_of(request)
    model.make_room([prompt for prompt in (source, target, negative) if prompt], _fitted_tokens(request.fit))
    check_fit(model, request)
    of_prompts = [*of_weights, *cut_off_notes(model, source, target)]
    method = method_of(model, request, source, target)
    if isinstance(method, Optimising):
        check_trainable(model.network)
    asked = Asked(
        model, target, source, masked=request.mask is not None, foreground=request.foreground is not None,
        reference=request.reference is not None, fitted=request.fit is not None, fitting=request.fitting,
        negative=negative is not None,
    )  # fmt: skip
    of_prompts += _idle(request, method, asked)
    if negative and negative_acts(method, asked):
        of_prompts += negative_cut_off(model, method, negative, source)
    else:
        of_prompts += _same_prompts(method, source, target, asked.masked)

    picture = opened(request.image)
    size = size_of(model, request)
    fitted = fit(picture.image, size or model.native_side, model.pixel_multiple, exact=size is not None)
    plane, of_mask = _marked(request.mask, fitted)
    subject, of_subject = _marked(request.foreground, fitted)
    reference = _reference(request.reference, fitted)
    identity = identity_of(
        model.identity, method, source, target, seed, negative, size, picture=fitted.image, mask=plane,
        foreground=subject, reference=reference,
    )  # fmt: skip
    _check_picture(request, identity)

    check_memory(model, method, fitted.image.size, source, target)
    pixels = torch.from_numpy(to_array(fitted.image))[None]
    latents = model.encode(pixels)
    job = Job(
        model, latents, target, source, torch.Generator().manual_seed(seed), _progress(method, request),
        _latent_mask(plane, latents), request.inversions or Inversions(), seed,
        None if request.fit is None else _on(request.fit, model.device), _work(model, method, request, identity),
        reference=None if reference is None else _encoded(model, reference),
        foreground=_latent_mask(subject, latents), keeps=request.keep != "off", negative=negative,
        strength=strength_of(request, method), picture=pixels, preview=_preview(model, request, fitted),
        notes=(*picture.notes, *fitted.notes, *_made_small(request, fitted), *of_mask, *of_subject, *of_prompts),
    )  # fmt: skip
    return method, job, fitted


def _fitted_tokens(made: Fit | None) -> int | None:
    """How many positions the texts of a fit have."""
    texts = [] if made is None else [value for name, value in made.embeds.items() if ":" not in name]
    return texts[0].shape[1] if texts and texts[0].ndim == 3 else None


def opened(image: AnyPicture) -> Picture:
    """A picture from wherever it comes.

    Raises:
        BadPicture: when it cannot be read.
    """
    if isinstance(image, Picture):
        return image
    return read_picture(image) if isinstance(image, str | PathLike) else from_image(image)


def _made_small(request: Request, fitted: Fitted) -> list[str]:
    """What is said of a picture that comes back much softer than it was."""
    left, top, right, bottom = fitted.box
    small, own = (right - left, bottom - top), fitted.size
    if request.keep != "off" or request.fitting or 2 * small[0] >= own[0] or 2 * small[1] >= own[1]:
        return []
    here, there = (f"{width} x {height}" for width, height in (small, own))
    return [
        f"the picture, {there}, is edited at {here}, less than half its size, and keep=off returns it all as drawn: it "
        "comes back softer; with keep=auto what the edit does not change stays sharp."
    ]


def _marked(mask: AnyMask | None, fitted: Fitted) -> tuple[Image.Image | None, tuple[str, ...]]:
    """A mask on the model's grid, and what is to be said of it."""
    if mask is None:
        return None, ()
    read = opened_mask(mask)
    plane, notes = fit_mask(read.image, fitted)
    return plane, (*read.notes, *notes)


def _reference(image: AnyMask | None, fitted: Fitted) -> Image.Image | None:
    if image is None:
        return None
    return ImageOps.fit(opened(image).image, fitted.image.size, Image.Resampling.LANCZOS)


def _check_picture(request: Request, identity: dict[str, Any]) -> None:
    """Refuses a fit of another picture, or of this one at another size.

    Raises:
        BadFit: saying which.
    """
    made = request.fit
    if made is None or made.recipe.get("picture") == identity["picture"]:
        return
    size = made.recipe.get("size")
    if request.size is not None and request.size != size:
        own = "the model's own size" if size is None else f"size {size}"
        raise BadFit(f"the fit was made at {own}, and size is {request.size}: leave the size out, or fit anew.")
    raise BadFit("the fit was made for another picture: give the picture that it was made for.")


def _idle(request: Request, method: Method, asked: Asked) -> list[str]:
    """What is said of settings and arguments that cannot act."""
    settings = set_by_hand(method) if isinstance(request.method, Method) else request.settings
    arguments = ("mask", "foreground", "reference", "budget", "checkpoint", "source", "target", "negative_prompt")
    return idle_notes(method, asked, settings, [name for name in arguments if getattr(request, name)])


def _same_prompts(method: Method, source: str | None, target: str, masked: bool) -> list[str]:
    if not source or source.split() != target.split():
        return []
    if isinstance(method, Composed) and method.control_part.edits_by_itself():
        return []  # reweighted words are the edit
    if method.reconstructs(masked):
        return ["the two prompts say the same: expect the picture back."]
    return [
        f"the two prompts say the same: {method.name} returns no exact picture then; for a check of the inversion "
        f"{_way_back(method, masked)}."
    ]


def _way_back(method: Method, masked: bool) -> str:
    """What brings the picture back between equal prompts: a scale, or where none does another method."""
    if isinstance(method, Composed) and "guidance_scale" in {p.name for p in parameters_of(method)}:
        for scale in (getattr(method, "source_guidance_scale", 1.0), 1.0):
            with suppress(BadParameter):
                if replace(method, guidance_scale=scale).reconstructs(masked):  # type: ignore[call-arg]
                    return f"set guidance_scale to {scale:g}"
    return "use negative-prompt"


def _progress(method: Method, request: Request) -> Callable[[int], None]:
    """What a job calls with the steps just finished, for a caller who wants them added up."""
    fitted = request.fit is not None and isinstance(method, Optimising)
    done, total = 0, method.steps() - (method.fit_steps() if fitted and isinstance(method, Optimising) else 0)

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        if request.progress:
            request.progress(done, total)

    return advance


def _preview(model: Backbone, request: Request, fitted: Fitted) -> Callable[[Tensor], None] | None:
    """What a job calls with ẑ_0, for a caller who wants to see pictures while they come about."""
    if request.preview is None:
        return None
    tell = request.preview
    return lambda original: tell(lambda: fitted.restore(glimpse(model, original)))


def _work(model: Backbone, method: Method, request: Request, identity: dict[str, Any]) -> Work:
    optimises = method.optimises and request.fit is None
    checkpoint = Path(request.checkpoint) if request.checkpoint is not None and optimises else None
    told = {"read_as": model.read_as.changed} if model.read_as.changed else {}
    return Work(request.budget, checkpoint, identity, request.detail or (lambda words: None), told)


def _encoded(model: Backbone, image: Image.Image) -> Tensor:
    return model.encode(torch.from_numpy(to_array(image))[None])


def _latent_mask(plane: Image.Image | None, latents: Tensor) -> Tensor | None:
    """A mask (L) on the model's grid as [1, 1, h, w] in 0..1 at the latents' size: the most of each cell.

    A cell that the mask touches is free to change; the pixels beside it are put back once it is decoded.
    """
    if plane is None:
        return None
    whole = torch.from_numpy(np.asarray(plane, np.float32) / 255)[None, None]
    return functional.adaptive_max_pool2d(whole, latents.shape[-2:]).to(latents.device)


def _on(made: Fit, device: torch.device) -> Fit:
    return replace(made, embeds={name: value.to(device, torch.float32) for name, value in made.embeds.items()})
