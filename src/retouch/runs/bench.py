"""Any methods on any suite: resumable, sharded, on this machine or through another executor."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from retouch.editor import Editor
from retouch.errors import BadParameter, BadPicture, RetouchError
from retouch.inversion.ddim import Inversions
from retouch.methods.optimising import Optimising
from retouch.methods.registry import method_type
from retouch.parameters import parameters_of, read_settings, settings_from_text
from retouch.runs.memory import PeakMemory
from retouch.runs.run import BadRun, Manifest, Record, Run, Writer, slug
from retouch.suites.suite import BadSuite, Case, Entry, Suite, share_of

_FIT_SEED = 0
"""Of the fit that the samples of a method that fits share, whatever seeds they have."""

Captioner = Callable[[Image.Image], str]
"""Says what a picture shows."""


@dataclass(frozen=True)
class Variant:
    """A method with settings, under the label that its results bear."""

    label: str
    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """What is left to do of one case: (label, seed) pairs.

    Attributes:
        fits: a folder for the checkpoints of fits; None for none.
        masked: whether methods are given the case's mask.
        suited: whether methods are given the suite's settings that they have.
    """

    case: Case
    wanted: Sequence[tuple[str, int]]
    variants: Mapping[str, Variant]
    fits: Path | None = None
    masked: bool = False
    suited: bool = False

    def settings(self, variant: Variant) -> dict[str, Any]:
        """The variant's, over those of the suite that its method has."""
        if not self.suited:
            return dict(variant.settings)
        known = {one.name for one in parameters_of(method_type(variant.method))}
        return {**{k: v for k, v in self.case.entry.settings.items() if k in known}, **variant.settings}


@dataclass(frozen=True)
class Made:
    """A finished edit: its record, picture and recipe; no picture where it failed."""

    record: Record
    image: Image.Image | None = None
    recipe: Mapping[str, Any] | None = None


Executor = Callable[[Iterable[Work]], Iterator[Made]]
"""Does work, in any order; an edit's failure is a record with its reason."""


@dataclass(frozen=True)
class Done:
    """How far a shard is: edits tried now, those that are there, those that failed, all that it has.

    Attributes:
        reason: why the first of those that failed did; "" for none.
    """

    now: int
    there: int
    failed: int
    total: int
    reason: str = ""


def begin(
    folder: str | Path,
    suite: Suite,
    editor: Editor,
    variants: Mapping[str, Variant],
    seeds: Sequence[int] = (0,),
    *,
    others: Sequence[str] = (),
    masked: bool = False,
    suited: bool = False,
) -> Run:
    """A run in a folder, new or to go on with.

    Args:
        others: labels of outputs that others made, see :mod:`retouch.runs.outputs`.
        masked, suited: as for :func:`bench`; they make it another run.

    Raises:
        BadRun: as :meth:`retouch.runs.run.Run.create`.
        BadParameter: for a label that a method and outputs share.
    """
    for label in others:
        if label in variants:
            raise BadParameter(f"a method and --outputs are both called {label!r}: give the outputs another label.")
    given = {name: True for name, wanted in (("masks", masked), ("settings", suited)) if wanted}
    methods = {label: {"method": one.method, "settings": dict(one.settings)} for label, one in variants.items()}
    methods |= {label: {"method": "", "settings": {}} for label in others}
    model = {"name": editor.model.name, "fingerprint": editor.model.fingerprint}
    made_with = environment(editor.model.device)
    return Run.create(folder, Manifest({**suite.identity, **given}, model, methods, list(seeds), made_with))


def bench(
    run: Run,
    suite: Suite,
    executor: Executor,
    *,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    shard: tuple[int, int] = (0, 1),
    captioner: Captioner | None = None,
    retry_failed: bool = False,
    skip: Sequence[str] = (),
    masked: bool = False,
    suited: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Done:
    """Makes the edits of a run that are not there yet.

    A case's methods share its inversions; each edit is in the run's folder before the next is begun.

    Args:
        executor: :func:`local`, or another.
        methods, seeds: labels and seeds of the run that are wanted; None for all that it is of.
        shard: (i, n): every n-th case from the i-th on.
        captioner: says what a picture shows, once, where the suite does not and a method needs to know.
        retry_failed: whether edits that failed are made again.
        skip: ids of entries to leave out.
        masked, suited: whether methods are given the suite's masks, and its settings.
        progress: called with (edits finished, all edits of the shard, the label at work).

    Raises:
        BadSuite, BadPicture, BadRun: each a sentence that says what to do; what is finished stays.
    """
    # a label without a method stands for outputs that others made
    ours = {label: method for label, method in run.manifest.methods.items() if method["method"]}
    variants = {label: Variant(label, **method) for label, method in ours.items()}
    entries = [entry for entry in share_of(suite, shard) if entry.id not in set(skip)]
    wanted = list(variants) if methods is None else [label for label in variants if label in methods]
    pairs = [(label, seed) for label in wanted for seed in (run.manifest.seeds_of(label) if seeds is None else seeds)]
    keys = [(entry.id, *pair) for entry in entries for pair in pairs]
    sources = any(method_type(variants[label].method).needs_source for label in wanted)

    with Writer.opened(run, f"{shard[0]}/{shard[1]}") as writer:
        writer.adopt(keys)
        finished = {key for key, record in run.finished().items() if not (record.error and retry_failed)}
        before = sum(key in finished for key in keys)

        def works() -> Iterator[Work]:
            for entry in entries:
                if left := [pair for pair in pairs if (entry.id, *pair) not in finished]:
                    case = stored_case(run, suite, entry, captioner if sources else None)
                    yield Work(case, left, variants, run.folder / "fits", masked, suited)

        made = 0
        for one in executor(works()):
            writer.finish(one.record, one.image, one.recipe)
            made += 1
            if progress:
                progress(before + made, len(keys), one.record.method)
    records = run.finished()
    mine = [records[key] for key in keys if key in records]
    errors = [record.error for record in mine if record.error]
    return Done(made, len(mine) - len(errors), len(errors), len(keys), next(iter(errors), ""))


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
            several = _sampled if issubclass(method_type(variant.method), Optimising) else _edited
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
    entry = work.case.entry
    for seed in seeds:
        saved, saved_seconds = inversions.shared, inversions.shared_seconds
        with PeakMemory(editor.model.device) as memory:
            result = editor.edit(
                work.case.picture, source=entry.source, target=entry.target, method=variant.method, seed=seed,
                mask=work.case.mask if work.masked else None, inversions=inversions, **work.settings(variant),
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
    entry, kind = work.case.entry, method_type(variant.method)
    assert issubclass(kind, Optimising)
    given = read_settings(kind, work.settings(variant), variant.method)
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
        results = editor.variations(work.case.picture, fit, seeds=seeds, mask=mask, **sampling)
    cost = editor.method_for(variant.method, entry.source, entry.target, work.settings(variant)).evaluations()
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


def read_variants(methods: Sequence[str], variants: Sequence[str] = ()) -> dict[str, Variant]:
    """What is to be run, by label.

    Args:
        methods: names, with nothing set.
        variants: "METHOD:NAME=VALUE,…", which is its own label, or "LABEL=METHOD:NAME=VALUE,…".

    Raises:
        BadParameter: for an unknown method or parameter, a value outside its range, or a label used twice.
    """
    found = [Variant(name, name, {}) for name in methods] + [_variant(text) for text in variants]
    labels = [one.label for one in found]
    for label in labels:
        if labels.count(label) > 1:
            raise BadParameter(f"two methods are called {label!r}: give one a label, as 'mine={label}:…'.")
    return {
        one.label: replace(one, settings=read_settings(method_type(one.method), one.settings, one.method))
        for one in found
    }


def _variant(text: str) -> Variant:
    head, _, settings = text.partition(":")
    label, named, method = head.partition("=")
    name = (method if named else head).strip()
    pairs = [pair for pair in settings.split(",") if pair.strip()]
    if not name or (named and not label.strip()):
        raise BadParameter(f"the variant is {text!r}, expected METHOD:NAME=VALUE,… or LABEL=METHOD:NAME=VALUE,….")
    return Variant(label.strip() if named else text.strip(), name, settings_from_text(pairs))


def preflight(suite: Suite, entries: Sequence[Entry]) -> dict[str, str]:
    """What is wrong with a suite's files, a sentence by entry: absent, broken, or of sizes that do not agree."""
    wrong = {name: f"there is no file {str(paths[0])!r}." for name, paths in suite.missing().items()}
    for entry in entries:
        if entry.files and entry.id not in wrong:
            try:
                suite.case(entry)
            except (BadPicture, BadSuite) as error:
                wrong[entry.id] = str(error)
    return {entry.id: wrong[entry.id] for entry in entries if entry.id in wrong}


def environment(device: torch.device) -> dict[str, Any]:
    """What a run's figures depend on besides its settings: versions, machine, threads."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found: dict[str, Any] = {
        "date": now,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
    }
    for name in ("torch", "diffusers", "transformers", "peft", "torchmetrics", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found |= {"device": str(device), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _cpu() -> str:
    names = Path("/proc/cpuinfo")
    for line in names.read_text().splitlines() if names.is_file() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
