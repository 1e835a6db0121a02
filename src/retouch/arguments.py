"""What callers hand to an editor is what it takes: said in a sentence before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real
from os import PathLike
from typing import Any

from PIL import Image
from torch import Tensor

from retouch.errors import BadFit, BadParameter, BadPicture, RetouchError
from retouch.fit.fitted import Fit
from retouch.methods.choice import AXES
from retouch.methods.method import Method
from retouch.parts.inversions import Inversions
from retouch.picture import Picture

_PATH = (str, PathLike)
KEEP = ("auto", "exact", "off")
"""How much of the picture an edit keeps; see :meth:`retouch.editor.Editor.edit`."""


def check_arguments(given: Any) -> None:
    """Refuses arguments of an edit that are of another type than they should be.

    Args:
        given: an object whose attributes are the arguments of :meth:`retouch.editor.Editor.edit`.

    Raises:
        BadPicture, BadFit, BadParameter: naming the argument, what it is and what was expected.
    """
    _expect(given.image, "image", (*_PATH, Image.Image, Picture), "a path or a PIL image", BadPicture)
    for name in ("mask", "foreground", "reference"):
        _expect(
            getattr(given, name), name, (*_PATH, Image.Image, Picture, type(None)), "a path or a PIL image", BadPicture
        )
    _expect(given.method, "method", (str, Method, type(None)), "a method's name or a method", BadParameter)
    _expect(given.fit, "fit", (Fit, type(None)), "a fit: read a file with Fit.load(path)", BadFit)
    _expect(given.checkpoint, "checkpoint", (*_PATH, type(None)), "a path", BadParameter)
    _expect(given.clip, "clip", (*_PATH, type(None)), "a CLIP model: a folder or a hub name", BadParameter)
    _expect(given.upscaler, "upscaler", (*_PATH, type(None)), "an upscaler: a folder or a hub name", BadParameter)
    _expect(
        given.inversions, "inversions", (Inversions, type(None)), "retouch.parts.inversions.Inversions()", BadParameter
    )
    _check_parts(given.parts)
    for name in ("progress", "detail", "preview"):
        if getattr(given, name) is not None and not callable(getattr(given, name)):
            raise BadParameter(f"{name} is {_shown(getattr(given, name))}, expected a function.")
    check_kept(given.keep, given.strength, given.size)
    check_part(given.region, given.context)
    budget = given.budget
    if budget is not None and not (_is_number(budget) and budget > 0):
        raise BadParameter(f"budget is {_shown(budget)}, expected a number of seconds above 0.")


def check_kept(keep: object, strength: object, size: object = None) -> None:
    """Refuses what says wrongly how much of the picture an edit keeps, how far it goes, and at which size it works.

    Raises:
        BadParameter: naming the argument, what it is and what was expected.
    """
    if keep not in KEEP:
        raise BadParameter(f"keep is {_shown(keep)}, expected {', '.join(KEEP[:-1])} or {KEEP[-1]}.")
    if strength is not None and not (_is_number(strength) and 0 <= strength <= 1):  # type: ignore[operator]
        raise BadParameter(f"strength is {_shown(strength)}, expected a number in 0..1.")
    check_size(size)


def check_size(size: object) -> None:
    """Refuses what is no working size; None is the model's own.

    Raises:
        BadParameter: saying what it is and what was expected.
    """
    if size is not None and not (isinstance(size, int) and not isinstance(size, bool) and 16 <= size <= 8192):
        raise BadParameter(f"size is {_shown(size)}, expected a whole number of pixels in 16..8192.")


def check_part(region: object, context: object) -> None:
    """Refuses what names no part of a picture.

    Raises:
        BadParameter: naming the argument, what it is and what was expected.
    """
    if not (_is_number(context) and 0 <= context < float("inf")):  # type: ignore[operator]
        raise BadParameter(f"context is {_shown(context)}, expected a number from 0.")
    if region is not None and not (isinstance(region, str) and region.strip()):
        _expect_numbers(region, "region", 4, "(left, top, right, bottom) in pixels, or a word")


def check_choice(method: object, source: object, target: object, settings: object, parts: Mapping[str, object]) -> None:
    """Refuses a choice of a method that is of another type than it should be.

    Raises:
        BadParameter: naming the argument, what it is and what was expected.
    """
    _expect(method, "method", (str,), "a method's name", BadParameter)
    _expect(source, "source", (str, type(None)), "text", BadParameter)
    _expect(target, "target", (str,), "text", BadParameter)
    _expect(settings, "settings", (Mapping,), "parameters by name", BadParameter)
    _check_parts(parts)


def check_thing(word: object, prompt: object, points: object, outside: object, box: object, segmenter: object) -> None:
    """Refuses what is to mark a thing in a picture and is of another type than it should be.

    Raises:
        BadParameter: naming the argument, what it is and what was expected.
    """
    for name, text in (("word", word), ("prompt", prompt)):
        _expect(text, name, (str, type(None)), "text", BadParameter)
        if isinstance(text, str) and not text.strip():
            raise BadParameter(f"{name} is {text!r}, expected words.")
    _expect(segmenter, "segmenter", (str,), "a folder, a hub name, none or auto", BadParameter)
    for name, places in (("points", points), ("outside", outside)):
        for place in sequence(places, name, "pairs (x, y) in pixels"):
            _expect_numbers(place, name, 2, "pairs (x, y) in pixels")
    if box is not None:
        _expect_numbers(box, "box", 4, "(left, top, right, bottom) in pixels")


def check_latents(latents: object) -> None:
    """Refuses what is no latents of one picture.

    Raises:
        BadParameter: saying what it is.
    """
    if not (isinstance(latents, Tensor) and latents.ndim == 4 and len(latents) == 1 and latents.is_floating_point()):
        shape = list(latents.shape) if isinstance(latents, Tensor) else _shown(latents)
        raise BadParameter(f"latents are {shape}, expected floating-point numbers of the shape [1, C, h, w].")


def sequence(values: Any, name: str, of: str) -> Sequence[Any]:
    """Some values one after the other, whatever kind of sequence they are.

    Raises:
        BadParameter: when they are none.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadParameter(f"{name} is {_shown(values)}, expected {of} in a list.")
    try:
        return list(values)
    except TypeError:  # an array without dimensions
        raise BadParameter(f"{name} is {_shown(values)}, expected {of} in a list.") from None


def _check_parts(parts: Mapping[str, object]) -> None:
    for name, part in parts.items():
        if name not in AXES:
            raise BadParameter(f"methods have no part {name!r}: their parts are {', '.join(AXES)}.")
        _expect(part, name, (str, type(None)), "a part's name", BadParameter)


def _expect_numbers(values: Any, name: str, count: int, what: str) -> None:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadParameter(f"{name} is {_shown(values)}, expected {what}.")
    numbers = list(values)
    if len(numbers) != count or not all(_is_number(one) and isfinite(one) for one in numbers):
        raise BadParameter(f"{name} is {_shown(values)}, expected {what}.")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _expect(value: Any, name: str, kinds: tuple[type, ...], what: str, error: type[RetouchError]) -> None:
    if not isinstance(value, kinds):
        raise error(f"{name} is {_shown(value)}, expected {what}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else f"of the type {type(value).__name__}"
