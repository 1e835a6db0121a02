"""The cases of a run: the suite's, as they were when the run first met them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from retouch.runs.files import BadRun
from retouch.runs.run import Run
from retouch.suites.suite import Case, Entry, Suite

Captioner = Callable[[Image.Image], str]
"""Says what a picture shows."""


def stored_case(run: Run, suite: Suite, entry: Entry, captioner: Captioner | None = None) -> Case:
    """The case as the run keeps it, or will keep it from now on: a caption is made once.

    Raises:
        BadRun: when the suite's picture or mask is not the run's any more.
    """
    known = run.case(entry.id)
    if known is not None:
        now = suite.case(entry)
        if not (_same(known.picture, now.picture) and _same(known.mask, now.mask)):
            raise BadRun(
                f"the picture or mask of {entry.id!r} is another than the run {str(run.folder)!r} was begun with: name "
                "another folder."
            )
    if known is not None and (known.entry.source or captioner is None):
        return known
    case = known or suite.case(entry)
    if not entry.source and captioner is not None:
        case = replace(
            case, entry=replace(entry, source=captioner(case.picture), about={**entry.about, "captioned": 1})
        )
    run.store(case)
    return case


def _same(a: Image.Image | None, b: Image.Image | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.size == b.size and a.convert("RGB").tobytes() == b.convert("RGB").tobytes()
