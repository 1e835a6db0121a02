"""The edits of one case: by every method with every seed, each as soon as it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from retouch.editor import Editor
from retouch.errors import RetouchError
from retouch.methods.optimising import Optimising
from retouch.parameters import read_settings
from retouch.parts.inversions import Inversions
from retouch.runs.files import slug
from retouch.runs.manifest import Record
from retouch.runs.memory import PeakMemory
from retouch.runs.variants import Variant
from retouch.suites.suite import Case, Entry

_FIT_SEED = 0
"""Of the fit that the samples of a method that fits share, whatever seeds they have."""


@dataclass(frozen=True)
class Work:
    """What is left to do of one case: (label, seed) pairs.

    Attributes:
        fits: a folder for the checkpoints of fits; None for none.
        masked: whether methods are given the case's mask.
    """

    case: Case
    wanted: Sequence[tuple[str, int]]
    variants: Mapping[str, Variant]
    fits: Path | None = None
    masked: bool = False


@dataclass(frozen=True)
class Made:
    """A finished edit: its record, picture and recipe; no picture where it failed."""

    record: Record
    image: Image.Image | None = None
    recipe: Mapping[str, Any] | None = None


Executor = Callable[[Iterable[Work]], Iterator[Made]]
"""Does work, in any order; an edit's failure is a record with its reason."""


def local(editor: Editor) -> Executor:
    """Edits here, one after another."""

    def execute(works: Iterable[Work]) -> Iterator[Made]:
        for work in works:
            yield from edits(editor, work)

    return execute


def edits(editor: Editor, work: Work) -> Iterator[Made]:
    """The edits of one case, each as soon as it is made; an edit that fails is a record with its reason."""
    inversions = Inversions()
    for label, seeds in _by_label(work.wanted):
        variant, made = work.variants[label], set[int]()
        try:
            several = _sampled if issubclass(variant.kind, Optimising) else _edited
            for one in several(editor, work, variant, seeds, inversions):
                made.add(one.record.seed)
                yield one
        except Exception as error:  # one method's fault must not take the others' results away
            reason = str(error) if isinstance(error, RetouchError) else f"{type(error).__name__}: {error}"
            for seed in seeds:
                if seed not in made:
                    yield Made(_record(work.case.entry, label, seed, 0.0, 0, error=reason or type(error).__name__))


def _edited(
    editor: Editor, work: Work, variant: Variant, seeds: Sequence[int], inversions: Inversions
) -> Iterator[Made]:
    entry, given = work.case.entry, {**variant.parts, **variant.settings}
    for seed in seeds:
        saved, saved_seconds = inversions.shared, inversions.shared_seconds
        with PeakMemory(editor.model.device) as memory:
            result = editor.edit(
                work.case.picture, source=entry.source, target=entry.target, method=variant.method, seed=seed,
                mask=work.case.mask if work.masked else None, inversions=inversions,
                keep="off", **given,
            )  # fmt: skip
        record = _record(
            entry, variant.label, seed, result.seconds + inversions.shared_seconds - saved_seconds,
            result.evaluations + inversions.shared - saved, memory.mib,
        )  # fmt: skip
        yield Made(record, result.image, result.recipe)


def _sampled(
    editor: Editor, work: Work, variant: Variant, seeds: Sequence[int], _inversions: Inversions
) -> Iterator[Made]:
    """One fit, and from it a sample for every seed."""
    entry, kind = work.case.entry, variant.kind
    assert issubclass(kind, Optimising)
    given = read_settings(kind, variant.settings, variant.method)
    sampling = {name: value for name, value in given.items() if name in kind.sampling}
    mask = work.case.mask if work.masked else None
    checkpoint = None
    if work.fits is not None:
        checkpoint = work.fits / f"{slug(variant.label)}.{slug(entry.id)}.checkpoint"
    with PeakMemory(editor.model.device) as memory:
        fit = editor.fit(
            work.case.picture, target=entry.target, source=entry.source, method=variant.method, mask=mask,
            seed=_FIT_SEED, checkpoint=checkpoint,
            **{name: value for name, value in given.items() if name not in kind.sampling},
        )  # fmt: skip
        if fit.stopped == "interrupted":
            raise KeyboardInterrupt
        if fit.stopped:
            raise RetouchError(fit.message)
        results = editor.variations(work.case.picture, fit, seeds=seeds, mask=mask, keep="off", **sampling)
    cost = editor.method_for(variant.method, entry.source, entry.target, variant.settings).evaluations()
    for seed, result in zip(seeds, results, strict=True):
        record = _record(entry, variant.label, seed, fit.seconds + result.seconds, cost, memory.mib)
        yield Made(record, result.image, result.recipe)
    if checkpoint is not None:  # all samples are finished
        checkpoint.unlink(missing_ok=True)


def _by_label(wanted: Iterable[tuple[str, int]]) -> list[tuple[str, list[int]]]:
    seeds: dict[str, list[int]] = {}
    for label, seed in wanted:
        seeds.setdefault(label, []).append(seed)
    return list(seeds.items())


def _record(
    entry: Entry, label: str, seed: int, seconds: float, evaluations: int, memory: float | None = None, error: str = ""
) -> Record:
    return Record(entry.id, entry.kind, label, seed, seconds, evaluations, memory, error)
