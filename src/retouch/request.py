"""What a caller asks of an editor, and what can be said about it before pictures and models are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import index
from os import PathLike
from typing import Any

from PIL import Image

from retouch.backbone.protocol import Backbone
from retouch.errors import BadFit, BadParameter, BadPrompt
from retouch.fit.checked import check_against
from retouch.fit.fitted import Fit
from retouch.methods.method import Method
from retouch.methods.optimising import Optimising
from retouch.methods.registry import method_for, method_type, needs_source
from retouch.parameters import parameters_of, read_settings
from retouch.parts.inversions import Inversions
from retouch.picture import Picture

AUTO = "auto"
"""The choice of a method, in place of its name; what is meant where nothing is named, see :mod:`retouch.auto`."""

PLAIN_METHOD = "prox-npi"
"""The method that is meant where none is named and the choice is not left open: parts in place of its own."""

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""

Detail = Callable[[str], None]
"""Called with a few words on what is going on."""

Preview = Callable[[Callable[[], Image.Image]], None]
"""Called after a step with a function that draws what the picture looks like by now, which costs a decoding."""

AnyPicture = str | PathLike[str] | Image.Image | Picture
"""A path, a PIL image, or a picture that was read."""

AnyMask = str | PathLike[str] | Image.Image | Picture
"""A path, a PIL image, or a picture that was read: what is white in it counts."""

CONTEXT = 0.5
"""How much of the picture around a region is seen along with it, in sides of the region, on every side."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a caller asks of an editor; the fields are the arguments of :meth:`retouch.editor.Editor.edit`.

    Attributes:
        image: a path or a picture; any size, kept in the result.
        source: what the picture shows; some methods do without.
        target: what it should show; with a ``fit`` it may be left out.
        negative_prompt: what it should not show: guidance leads away from it; None for nothing, or the fit's.
        method: a name from :func:`retouch.list_methods`, or a method object, which is taken as it is; by default the
            fit's, or "auto": methods are tried, the cheapest first, until CLIP verifies the edit.
        parts: inversion, control, guidance and sampler in place of the method's own, by name (`retouch methods
            --parts`).
        mask: a picture, white where the edit may happen; elsewhere the input's bytes stay. Grey is a strength. Of
            another size it is stretched.
        foreground: a picture, white where the subject is, for methods that treat it apart.
        region: (left, top, right, bottom) in pixels, or a word for a thing in the picture: the edit happens there.
        context: how much around a mask or region is cut out of a large picture along with it and shown to the model at
            its own size, in sides of the region, on every side.
        keep: with "auto" pixels that the edit did not change are the input's own, unless it changes the picture
            everywhere; with "exact" even then; "off" returns what the model drew, through its own size. Outside a mask
            the input's bytes stay in any case.
        strength: how far the edit goes, from 0, the picture, to 1, the method's full edit, as None: what a mask of this
            grey does. For methods that start from the noised picture it is their parameter of this name.
        size: the working size: the side in pixels of a square as large as the picture is edited at, in place of the
            model's own; by default a fit's.
        upscaler: a model that enlarges what the edit draws anew in a picture larger than the model's own: a folder or a
            hub name; None for Lanczos.
        reference: a picture whose background the edit should have, for methods that use one.
        seed: of everything random, 0..2^63-1.
        progress: called with (steps done, all steps).
        detail: called with a few words on what a method that optimises is at: stage, loss.
        preview: called after every step that denoises with a function that draws what it leads to, the part that is
            edited at its own size; it draws only until the call returns.
        inversions: kept from one call to the next, they let several edits of one picture share its inversion.
        fit: what :meth:`retouch.editor.Editor.fit` left for this picture; only sampling is left to do.
        budget: seconds that a method which optimises may spend on it.
        checkpoint: a file that such a method keeps its state in, at least every 30 s; after a kill the same call goes
            on from there. Saving the result removes it.
        settings: the method's parameters.
        clip: the CLIP model that verifies for "auto": a folder or a hub name, "auto" for that of the checkpoint's
            family; None for the one that the model recommends. For other methods their parameter of this name.
        fitting: whether only a fit is asked for.
    """

    image: AnyPicture
    source: str | None = None
    target: str | None = None
    negative_prompt: str | None = None
    method: str | Method | None = None
    parts: Mapping[str, str | None] = field(default_factory=dict)
    mask: AnyMask | None = None
    foreground: AnyMask | None = None
    region: tuple[float, ...] | str | None = None
    context: float = CONTEXT
    keep: str = "auto"
    strength: float | None = None
    size: int | None = None
    upscaler: str | PathLike[str] | None = None
    reference: AnyMask | None = None
    seed: int = 0
    progress: Progress | None = None
    detail: Detail | None = None
    preview: Preview | None = None
    inversions: Inversions | None = None
    fit: Fit | None = None
    budget: float | None = None
    checkpoint: str | PathLike[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    fitting: bool = False
    clip: str | PathLike[str] | None = None


def size_of(model: Backbone, request: Request) -> int | None:
    """The working size that is asked for, the fit's where there is one; None for the model's own.

    Raises:
        BadParameter: when the model cannot work at it.
    """
    made = request.fit.recipe.get("size") if request.fit is not None else None
    size = request.size if request.size is not None or not isinstance(made, int) else made
    large_enough(model, size)
    return size


def large_enough(model: Backbone, size: int | None) -> None:
    """Refuses a working size at which the model has nothing to work on.

    Raises:
        BadParameter: saying how large it has to be.
    """
    if size is not None and size < model.pixel_multiple:
        raise BadParameter(f"size is {size}, expected at least {model.pixel_multiple} pixels for {model.name!r}.")


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


def prompts_of(request: Request) -> tuple[str | None, str]:
    """The source prompt, None without one, and the target prompt; those of the fit where there is one.

    Raises:
        BadPrompt: when one is no text, or there is no target.
    """
    source, target = request.source, request.target
    if request.fit is not None:
        source, target = source or request.fit.recipe.get("source"), request.fit.recipe.get("target")
    for prompt in (source, target):
        if prompt is not None:
            _check_text(prompt)
    if not target or not target.strip():
        raise BadPrompt("the target prompt is empty: say what the picture should show.")
    return (source if source and source.strip() else None), target


def negative_of(request: Request) -> str | None:
    """The negative prompt, where none is asked for that of the fit; None where there is none.

    Raises:
        BadPrompt: when it is no text.
    """
    negative = request.negative_prompt
    if negative is None and request.fit is not None:
        negative = request.fit.recipe.get("negative_prompt")
    if negative is not None:
        _check_text(negative)
    return negative if negative and negative.strip() else None


def check_asked(made: Fit, method: str | None, asked: str | None) -> None:
    """Refuses a fit that is for another method or target; None and "" stand for the fit's own.

    Raises:
        BadFit: saying which.
    """
    if method and method != made.method:
        raise BadFit(f"the fit was made by {made.method}, and the method is {method}: leave the method out.")
    target = made.recipe.get("target")
    if asked and asked != target:
        raise BadFit(f"the fit was made for the target {target!r}: leave the target out, or fit anew.")


def check_fit(model: Backbone, request: Request) -> None:
    """Refuses a fit that is for another model, method or target than the request.

    Raises:
        BadFit: saying which.
    """
    made, method = request.fit, request.method
    if made is None:
        return
    if not issubclass(method_type(made.method), Optimising):
        raise BadFit(f"the fit was made by {made.method}, which fits nothing: make it anew with `retouch fit`.")
    check_against(made, model)
    name = method.name if isinstance(method, Method) else method
    check_asked(made, name, request.target)


def method_of(model: Backbone, request: Request, source: str | None, target: str) -> Method:
    """The method with its settings: the request's, the fit's, and what the model recommends.

    Raises:
        BadParameter, BadFit, BadPrompt: when it cannot be made of these, or lacks its source prompt.
    """
    settings, method = request.settings, request.method
    if isinstance(method, Method):
        if settings or any(request.parts.values()):
            raise BadParameter("settings and parts go with a method's name; this method is an object that has its own.")
        made = method
    else:
        if request.fit is not None:
            settings, method = _settings_on(request.fit, settings), request.fit.method
        made = method_for(model, method or PLAIN_METHOD, source, target, settings, **request.parts)
    if request.strength is not None and _own_strength(made):
        made = replace(made, strength=max(request.strength, _least_strength(made)))  # type: ignore[call-arg]
    if source is None and made.needs_source:
        raise needs_source(made.name)
    if request.fit is not None and isinstance(made, Optimising):
        made.conditions(request.fit)  # texts that are missing are said here
    return made


def strength_of(request: Request, method: Method) -> float:
    """How far the whole edit goes, 0..1, where the method's own parameter does not say so already."""
    if request.strength is None or (_own_strength(method) and request.strength):
        return 1.0
    return float(request.strength)


def _own_strength(method: Method) -> bool:
    return any(p.name == "strength" for p in parameters_of(method))


def _least_strength(method: Method) -> float:
    return next(p.low for p in parameters_of(method) if p.name == "strength") or 0.0


def _settings_on(fit: Fit, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A fit's own settings, and those of sampling."""
    fixed = dict(fit.recipe.get("parameters", {}))
    try:
        read_settings(method_type(fit.method), fixed, fit.method)
    except BadParameter as error:
        raise BadFit(f"the fit is damaged ({str(error).rstrip('.')}): make it anew with `retouch fit`.") from None
    for name in settings:
        if name in fixed:
            raise BadParameter(f"{name} was fixed when the fit was made ({fixed[name]!r}): leave it out, or fit anew.")
    return {**fixed, **settings}


def _check_text(prompt: object) -> None:
    """Refuses what no tokenizer takes: anything but text, and bytes that a terminal could not decode."""
    if not isinstance(prompt, str):
        raise BadPrompt(f"a prompt is {prompt!r}, expected text.")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise BadPrompt(f"the prompt {prompt!a} holds bytes that are not text: write it in UTF-8.") from None
