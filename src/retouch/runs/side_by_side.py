"""Edits of several cases at once, their network calls put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import turn
from retouch.editor import Editor
from retouch.parts.inversions import Inversions
from retouch.parts.together import Together
from retouch.runs.edits import Executor, Made, Pair, Work, edits, failures, of_case

Job = Callable[[Backbone], list[Made]]


def side_by_side(editor: Editor, batch: int) -> Executor:
    """Edits here, ``batch`` cases at a time: one method after another, on all of their pictures together.

    Chains of edits, methods that train weights, and models that read texts of any length go one case at a time. An edit
    is said to have taken its share of the time; what memory it took cannot be told.
    """

    def execute(works: Iterable[Work]) -> Iterator[Made]:
        left = iter(works)
        while some := list(islice(left, batch)):
            yield from _several(editor, some)

    return execute


def _several(editor: Editor, works: Sequence[Work]) -> Iterator[Made]:
    alone = list[Work]()
    steady = list[Work]()
    for work in works:
        trained = [pair for pair in work.wanted if work.variants[pair[0]].kind.optimises]
        if work.then or len(works) == 1 or editor.model.long_prompts:
            alone.append(work)
            continue
        steady.append(replace(work, wanted=[pair for pair in work.wanted if pair not in trained]))
        if trained:
            alone.append(replace(work, wanted=trained))
    kept = [Inversions() for _ in steady]
    for label in dict.fromkeys(label for work in steady for label, _ in work.wanted):
        some = [
            (replace(work, wanted=pairs), inversions)
            for work, inversions in zip(steady, kept, strict=True)
            if (pairs := _of_label(work, label))
        ]
        yield from _together(editor, some)
    for work in alone:
        yield from edits(editor, work)


def _of_label(work: Work, label: str) -> list[Pair]:
    """What is wanted of the variant, and of those that differ from it in how much is kept alone, if it comes first."""
    first = work.variants[label].apart_from_keeping() if label in work.variants else None
    alike = [pair for pair in work.wanted if work.variants[pair[0]].apart_from_keeping() == first]
    return alike if alike and alike[0][0] == label else []


def _together(editor: Editor, works: Sequence[tuple[Work, Inversions]]) -> Iterator[Made]:
    began = time.monotonic()

    def job(work: Work, inversions: Inversions) -> Job:
        return lambda seat: list(of_case(Editor(seat), work, inversions))

    with turn(editor.model):
        found = Together(editor.model).run([job(*one) for one in works])
    seconds = (time.monotonic() - began) / max(1, sum(len(work.wanted) for work, _ in works))
    for (work, _), made in zip(works, found, strict=True):
        if not isinstance(made, list):
            yield from failures(work, f"{type(made).__name__}: {made}")
            continue
        for one in made:
            yield replace(one, record=replace(one.record, seconds=seconds, memory_mib=None))
