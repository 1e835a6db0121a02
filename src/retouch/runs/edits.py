"""The edits of one case: by every method with every seed, each as soon as it is made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from retouch.editor import Editor
from retouch.errors import RetouchError, told
from retouch.methods.optimising import Optimising
from retouch.parameters import read_settings
from retouch.parts.inversions import Inversions
from retouch.request import AUTO
from retouch.result import EditResult, share_untouched
from retouch.runs.files import slug
from retouch.runs.manifest import Record
from retouch.runs.memory import PeakMemory
from retouch.runs.variants import Variant
from retouch.suites.suite import Case, Entry

Pair = tuple[str, int]
"""The label of a variant, and a seed."""

_FIT_SEED = 0
"""Of the fit that the samples of a method that fits share, whatever seeds they have."""


@dataclass(frozen=True)
class Work:
    """What is left to do of one case: (label, seed) pairs.

    Attributes:
        fits: a folder for the checkpoints of fits; None for none.
        masked: whether methods are given the case's mask.
        apart: whether every edit is made by itself, as :meth:`retouch.editor.Editor.edit` does: a method that fits then
            fits for each, with the edit's seed. Otherwise its samples share one fit.
        then: what follows of a chain, each of one pair and made on the picture that came out before it.
    """

    case: Case
    wanted: Sequence[Pair]
    variants: Mapping[str, Variant]
    fits: Path | None = None
    masked: bool = False
    apart: bool = False
    then: Sequence[Work] = ()


@dataclass(frozen=True)
class Made:
    """A finished edit: its record, picture, recipe, and what is to be said of it; no picture where it failed."""

    record: Record
    image: Image.Image | None = None
    recipe: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


Executor = Callable[[Iterable[Work]], Iterator[Made]]
"""Does work, in any order; an edit's failure is a record with its reason."""


def local(editor: Editor) -> Executor:
    """Edits here, one after another.

    Args:
        editor: makes them.
    """

    def execute(works: Iterable[Work]) -> Iterator[Made]:
        for work in works:
            yield from edits(editor, work)

    return execute


def edits(editor: Editor, work: Work) -> Iterator[Made]:
    """The edits of one case, or of a chain, each as soon as it is made; one that fails is a record with its reason."""
    picture, reason = work.case.picture, ""
    for one in (work, *work.then):
        if reason:  # of the edit that the rest of the chain would be made on
            yield from failures(one, reason)
            continue
        for made in of_case(editor, replace(one, case=replace(one.case, picture=picture)), Inversions()):
            yield made
            if work.then and made.image is None:
                reason = f"an edit before it failed: {made.record.error}"
            elif work.then and made.image is not None:
                picture = made.image


def failures(work: Work, reason: str) -> Iterator[Made]:
    """Records that say why there are no edits."""
    for label, seed in work.wanted:
        yield Made(_record(work.case.entry, label, seed, 0.0, 0, error=reason))


def of_case(editor: Editor, work: Work, inversions: Inversions) -> Iterator[Made]:
    """The edits of one case, each as soon as it is made, which share ``inversions``."""
    for pairs in _alike(work):
        made = set[tuple[str, int]]()
        try:
            fits = issubclass(work.variants[pairs[0][0]].kind, Optimising) and not work.apart
            several = _sampled if fits else _edited
            for one in several(editor, work, pairs, inversions):
                made.add((one.record.method, one.record.seed))
                yield one
        except Exception as error:  # one method's fault must not take the others' results away
            left = [pair for pair in pairs if pair not in made]
            yield from failures(replace(work, wanted=left), told(error) or type(error).__name__)


def _alike(work: Work) -> Iterator[list[Pair]]:
    """What is wanted, those together that differ in how much is kept alone."""
    left = list(work.wanted)
    while left:
        first = work.variants[left[0][0]].apart_from_keeping()
        yield [pair for pair in left if work.variants[pair[0]].apart_from_keeping() == first]
        left = [pair for pair in left if work.variants[pair[0]].apart_from_keeping() != first]


def _edited(editor: Editor, work: Work, pairs: Sequence[Pair], inversions: Inversions) -> Iterator[Made]:
    """One edit for every pair, or for two that one edit gives: as the model drew it, and kept."""
    left = list(pairs)
    while left:
        label, seed = left.pop(0)
        variant = work.variants[label]
        beside = _beside(work, variant, [other for other, its in left if its == seed])
        if beside is None:
            made, result = _edit(editor, work, variant, seed, inversions)
            yield made
            if result.checkpoint is not None:  # the edit is kept by now
                result.checkpoint.unlink(missing_ok=True)
            continue
        left.remove((beside.label, seed))
        drawn, kept = sorted((variant, beside), key=lambda one: one.keep != "off")
        made, result = _edit(editor, work, kept, seed, inversions)
        yield _as_drawn(work, drawn.label, made, result)
        yield made


def _beside(work: Work, variant: Variant, others: Iterable[str]) -> Variant | None:
    """The one of others that one edit with the variant gives, too; within a mask no picture is left as it was drawn."""
    if variant.kind.keeps_at_a_cost or (work.masked and work.case.mask is not None):
        return None
    known = (work.variants[label] for label in others)
    return next((one for one in known if (one.keep == "off") != (variant.keep == "off")), None)


def _edit(editor: Editor, work: Work, variant: Variant, seed: int, inversions: Inversions) -> tuple[Made, EditResult]:
    entry, given = work.case.entry, {**variant.parts, **variant.settings}
    checkpoint = _checkpoint(work, variant.method, {"label": variant.label, "seed": seed}) if work.apart else None
    alone = variant.method == AUTO  # whose tries share inversions with one another: that is what it costs
    saved, saved_seconds = inversions.shared, inversions.shared_seconds
    with PeakMemory(editor.model.device) as memory:
        result = editor.edit(
            work.case.picture, source=entry.source, target=entry.target, method=variant.method, seed=seed,
            mask=work.case.mask if work.masked else None, inversions=None if alone else inversions,
            keep=variant.keep, size=variant.size, checkpoint=checkpoint if variant.kind.optimises else None,
            **variant.asked, **given,
        )  # fmt: skip
    record = _record(
        entry, variant.label, seed, result.seconds + inversions.shared_seconds - saved_seconds,
        result.evaluations + inversions.shared - saved, memory.mib,
    )  # fmt: skip
    return Made(record, result.image, result.recipe, result.notes), result


def _checkpoint(work: Work, method: str, given: Mapping[str, Any]) -> Path | None:
    """Where a fit for the case keeps its state; nowhere where the work has no folder for it."""
    if work.fits is None:
        return None
    fitted = slug(f"{method} {json.dumps(given, sort_keys=True)}")
    return work.fits / f"{fitted}.{slug(work.case.entry.id)}.checkpoint"


def _as_drawn(work: Work, label: str, kept: Made, result: EditResult) -> Made:
    """What an edit that keeps the rest would have been, had it kept nothing; its method runs the same for both."""
    began, image = time.monotonic(), result.drawn
    assert image is not None and kept.record.seconds is not None and result.finishing_seconds is not None
    recipe = {**result.recipe, "keep": "off", "untouched": round(share_untouched(work.case.picture, image), 6)}
    seconds = kept.record.seconds - result.finishing_seconds + time.monotonic() - began
    return Made(replace(kept.record, method=label, seconds=seconds), image, recipe)


def _sampled(editor: Editor, work: Work, pairs: Sequence[Pair], _inversions: Inversions) -> Iterator[Made]:
    """One fit, and from it a sample for every pair."""
    entry, variant = work.case.entry, work.variants[pairs[0][0]]
    kind = variant.kind
    assert issubclass(kind, Optimising)
    given = read_settings(kind, variant.settings, variant.method)
    sampling = {name: value for name, value in given.items() if name in kind.sampling}
    mask = work.case.mask if work.masked else None
    checkpoint = _checkpoint(work, variant.method, given)
    with PeakMemory(editor.model.device) as fitting:
        fit = editor.fit(
            work.case.picture, target=entry.target, source=entry.source, method=variant.method, mask=mask,
            size=variant.size, seed=_FIT_SEED, checkpoint=checkpoint,
            **{name: value for name, value in given.items() if name not in kind.sampling},
        )  # fmt: skip
    if fit.stopped == "interrupted":
        raise KeyboardInterrupt
    if fit.stopped:
        raise RetouchError(fit.message)
    cost = editor.method_for(variant.method, entry.source, entry.target, variant.settings)
    assert isinstance(cost, Optimising)
    for label, seeds in _by_label(pairs):
        with PeakMemory(editor.model.device) as memory:
            results = editor.variations(
                work.case.picture, fit, seeds=seeds, mask=mask, keep=work.variants[label].keep, **sampling
            )
        most = None if memory.mib is None or fitting.mib is None else max(memory.mib, fitting.mib)
        for seed, result in zip(seeds, results, strict=True):
            evaluations = cost.fit_evaluations() + result.evaluations
            record = _record(entry, label, seed, fit.seconds + result.seconds, evaluations, most)
            yield Made(record, result.image, result.recipe)
    if checkpoint is not None:  # all samples are finished
        checkpoint.unlink(missing_ok=True)


def _by_label(wanted: Iterable[Pair]) -> list[tuple[str, list[int]]]:
    seeds: dict[str, list[int]] = {}
    for label, seed in wanted:
        seeds.setdefault(label, []).append(seed)
    return list(seeds.items())


def _record(
    entry: Entry, label: str, seed: int, seconds: float, evaluations: int, memory: float | None = None, error: str = ""
) -> Record:
    return Record(entry.id, entry.kind, label, seed, seconds, evaluations, memory, error)
