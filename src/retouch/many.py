"""Many edits at once: side by side on one model, their network calls put together."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from retouch.arguments import check_arguments
from retouch.auto.choose import edit
from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter, RetouchError
from retouch.methods.method import Method
from retouch.methods.registry import method_type
from retouch.parts.together import Together
from retouch.request import AUTO, Progress, Request
from retouch.result import EditResult

BATCH = 8
"""Edits side by side."""

_PARTS = ("inversion", "control", "guidance", "sampler")
_NAMES = {field.name for field in fields(Request)} - {"parts", "settings", "fitting"}


def edit_many(
    model: Backbone,
    edits: Sequence[Mapping[str, Any]],
    batch: int = BATCH,
    failed: str = "raise",
    progress: Progress | None = None,
) -> list[EditResult | RetouchError]:
    """The edits in order, ``batch`` of them side by side; whoever calls has the model's turn.

    Args:
        edits: the arguments of :meth:`retouch.editor.Editor.edit`, of each.
        failed: "raise" ends with the first edit that cannot be made; "return" puts its error in its place.
        progress: called with (edits done, all edits).

    Raises:
        BadParameter: for a ``batch`` below 1, another ``failed``, or an edit without a picture, by its number.
        RetouchError: with "raise", what is wrong with an edit, by its number.
    """
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
        raise BadParameter(f"batch is {batch!r}, expected a whole number from 1 on: how many edits go side by side.")
    if failed not in ("raise", "return"):
        raise BadParameter(f'failed is {failed!r}, expected "raise" or "return".')
    found: dict[int, EditResult | RetouchError] = {}
    requests = dict[int, Request]()
    for number, given in enumerate(edits):
        try:
            requests[number] = request_of(given)
            check_arguments(
                requests[number] if requests[number].method != AUTO else replace(requests[number], method=None)
            )
            goes_alone(model, requests[number])  # which knows the method
        except RetouchError as error:
            requests.pop(number, None)
            found[number] = _refused(number, error, failed)
    for chunk in _chunks(model, requests, batch):
        for number, result in _side_by_side(model, {n: requests[n] for n in chunk}, failed).items():
            found[number] = result if isinstance(result, EditResult) else _refused(number, result, failed)
            if progress:
                progress(len(found), len(edits))
    return [found[number] for number in range(len(edits))]


def request_of(given: Mapping[str, Any]) -> Request:
    """A request from the arguments of an edit: what is no argument is a parameter of the method.

    Raises:
        BadParameter: without a picture, or for what holds no arguments.
    """
    if not isinstance(given, Mapping):
        raise BadParameter(
            f"it is {reprlib.repr(given)}, expected a mapping of an edit's arguments: image=, target=, …."
        )
    if "image" not in given:
        raise BadParameter("there is no image: an edit needs at least image= and target=.")
    own = {name: value for name, value in given.items() if name in _NAMES}
    parts = {name: given.get(name) for name in _PARTS}
    settings = {name: value for name, value in given.items() if name not in _NAMES and name not in _PARTS}
    return Request(**own, parts=parts, settings=settings)


def goes_alone(model: Backbone, request: Request) -> bool:
    """Whether an edit needs the network to itself: it trains weights or brings its own, or texts of any length."""
    if request.fit is not None or model.long_prompts:
        return True
    method = request.method
    if isinstance(method, Method):
        return method.optimises
    return method not in (None, AUTO) and method_type(str(method)).optimises


def _chunks(model: Backbone, requests: Mapping[int, Request], batch: int) -> list[list[int]]:
    """The numbers of the edits that go side by side."""
    alone = [number for number, request in requests.items() if goes_alone(model, request)]
    rest = [number for number in requests if number not in set(alone)]
    return [rest[i : i + batch] for i in range(0, len(rest), batch)] + [[number] for number in alone]


def _side_by_side(
    model: Backbone, requests: Mapping[int, Request], failed: str
) -> dict[int, EditResult | RetouchError]:
    """Edits that go together; each is said to have taken its share of the time."""
    began = time.monotonic()
    if len(requests) == 1:
        ((number, request),) = requests.items()
        try:
            return {number: edit(model, request)}
        except RetouchError as error:
            return {number: error}
        except BaseException as error:  # of the caller's own preview, say
            error.add_note(f"in edit {number + 1}")
            raise

    def job(request: Request) -> Callable[[Backbone], EditResult]:
        return lambda seat: edit(seat, request)

    results = Together(model).run([job(request) for request in requests.values()], stop_at_once=failed == "raise")
    seconds = (time.monotonic() - began) / len(requests)
    found: dict[int, EditResult | RetouchError] = {}
    for number, result in zip(requests, results, strict=True):
        if isinstance(result, EditResult):
            found[number] = replace(result, seconds=seconds, _model=model)
        elif isinstance(result, RetouchError):
            found[number] = result
        elif result is not None:
            result.add_note(f"in edit {number + 1}")
            raise result
    return found


def _refused(number: int, error: RetouchError, failed: str) -> RetouchError:
    """The error with the edit's number; raised where that is wanted."""
    sentence, *details = error.args or ("",)
    named = type(error)(f"edit {number + 1}: {sentence}", *details)
    if failed == "raise":
        raise named from error
    return named
