"""What callers hand to an editor is what it takes: said in a sentence before any work."""

from __future__ import annotations

from os import PathLike
from typing import Any

from PIL import Image

from retouch.errors import BadFit, BadParameter, BadPicture, RetouchError
from retouch.fit.fitted import Fit
from retouch.methods.method import Method
from retouch.picture import Picture

_PATH = (str, PathLike)


def check_arguments(given: Any) -> None:
    """Refuses arguments of an edit that are of another type than they should be.

    Args:
        given: an object whose attributes are the arguments of :meth:`retouch.editor.Editor.edit`.

    Raises:
        BadPicture, BadFit, BadParameter: naming the argument, what it is and what was expected.
    """
    _expect(given.image, "image", (*_PATH, Image.Image, Picture), "a path or a PIL image", BadPicture)
    for name in ("mask", "reference"):
        _expect(getattr(given, name), name, (*_PATH, Image.Image, type(None)), "a path or a PIL image", BadPicture)
    _expect(given.method, "method", (str, Method, type(None)), "a method's name or a method", BadParameter)
    _expect(given.fit, "fit", (Fit, type(None)), "a fit: read a file with Fit.load(path)", BadFit)
    _expect(given.checkpoint, "checkpoint", (*_PATH, type(None)), "a path", BadParameter)
    for name, part in given.parts.items():
        _expect(part, name, (str, type(None)), "a part's name", BadParameter)
    for name in ("progress", "detail"):
        if getattr(given, name) is not None and not callable(getattr(given, name)):
            raise BadParameter(f"{name} is {_shown(getattr(given, name))}, expected a function.")
    budget = given.budget
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int | float) or not budget > 0):
        raise BadParameter(f"budget is {_shown(budget)}, expected a number of seconds above 0.")


def _expect(value: Any, name: str, kinds: tuple[type, ...], what: str, error: type[RetouchError]) -> None:
    if not isinstance(value, kinds):
        raise error(f"{name} is {_shown(value)}, expected {what}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else f"of the type {type(value).__name__}"
