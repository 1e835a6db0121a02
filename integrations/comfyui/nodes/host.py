"""The host's progress bar and its way to be interrupted, for work that calls back after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import comfy.model_management
import comfy.utils

_PARTS = 1000  # of the bar, for each edit


class _Interrupted(BaseException):
    """Carries the host's exception out of the work: no ``except Exception`` may take it for a failed edit."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause


@contextmanager
def interruptible() -> Iterator[None]:
    """Around work that steps: interrupted, it ends with the host's own exception."""
    try:
        yield
    except _Interrupted as interrupted:
        raise interrupted.cause from None


class Steps:
    """Steps of several edits on one bar; each of them asks the host whether it is to go on.

    Args:
        edits: how many there are.
        node: whose bar it is, by the host's name for it.
    """

    def __init__(self, edits: int, node: str | None) -> None:
        self._bar = comfy.utils.ProgressBar(_PARTS * edits, node_id=node)
        self._done = [0.0] * edits

    def of(self, edit: int = 0) -> Callable[..., None]:
        """What one edit calls with the steps done and the steps there are; what else it says is left out."""

        def told(done: int, total: int, *_: object) -> None:
            try:
                comfy.model_management.throw_exception_if_processing_interrupted()
                self._done[edit] = done / total if total else 0.0
                self._bar.update_absolute(round(_PARTS * sum(self._done)))
            except BaseException as error:  # the bar asks the host, too
                raise _Interrupted(error) from None

        return told
