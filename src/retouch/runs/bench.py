"""Any methods on any suite: resumable, sharded, on this machine or through another executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.runs.cases import Captioner, stored_case
from retouch.runs.edits import Executor, Work
from retouch.runs.environment import environment
from retouch.runs.left import works_left
from retouch.runs.manifest import NO_MODEL, Manifest, Record
from retouch.runs.run import Run
from retouch.runs.variants import Variant
from retouch.runs.variants import suited as of_suite
from retouch.runs.writer import Writer
from retouch.suites.suite import Entry, Suite, chains_of, share_of


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
    editor: Editor | None,
    variants: Mapping[str, Variant],
    seeds: Sequence[int] = (0,),
    *,
    others: Sequence[str] = (),
    masked: bool = False,
    suited: bool = False,
) -> Run:
    """A run in a folder, new or to go on with.

    Args:
        folder: of the run.
        suite: what is edited.
        editor: whose model makes the edits; None where all of them were made by others.
        variants, seeds: methods by label, see :func:`retouch.runs.variants.read_variants`, and the seeds of each.
        others: labels of outputs that others made, see :mod:`retouch.runs.outputs`.
        masked, suited: as for :func:`bench`; they make it another run.

    Raises:
        BadRun: as :meth:`retouch.runs.run.Run.create`.
        BadParameter: for a label that a method and outputs share, methods without an editor, or a suite that does not
            say what methods should make.
    """
    for label in others:
        if label in variants:
            raise BadParameter(f"a method and --outputs are both called {label!r}: give the outputs another label.")
    given = {name: True for name, wanted in (("masks", masked), ("settings", suited)) if wanted}
    methods = {label: one.stored() for label, one in variants.items()}
    methods |= {label: {"method": "", "settings": {}} for label in others}
    silent = [entry.id for entry in suite.entries if not entry.target] if variants else []
    if silent:
        raise BadParameter(
            f"nothing says what {silent[0]!r} should show, which methods need: give every edit a target."
        )
    if editor is None and variants:
        raise BadParameter(f"{next(iter(variants))} needs a model: give an editor.")
    model = {"name": editor.model.name, "fingerprint": editor.model.identity} if editor else dict(NO_MODEL)
    made_with = environment(editor.model.device if editor else torch.device("cpu"))
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
    after: Callable[[Record], None] | None = None,
) -> Done:
    """Makes the edits of a run that are not there yet.

    A case's methods share its inversions; each edit is in the run's folder before the next is begun.

    Args:
        run, suite: as :func:`begin` gives it, and the suite that it is of.
        executor: :func:`retouch.runs.edits.local`, or another.
        methods, seeds: labels and seeds of the run that are wanted; None for all that it is of.
        shard: (i, n): every n-th case from the i-th on.
        captioner: says what a picture shows, once, where the suite does not and a method needs to know.
        retry_failed: whether edits that failed are made again.
        skip: ids of entries to leave out, each with all of its chain.
        masked, suited: whether methods are given the suite's masks, and its settings.
        progress: called with (edits finished, all edits of the shard, the label at work).
        after: called with the record of each edit when it is on the disk.

    Raises:
        BadSuite, BadPicture, BadRun: each a sentence that says what to do; what is finished stays.
    """
    variants = _variants(run)
    left_out = set(skip)
    chains = [one for one in chains_of(share_of(suite, shard)) if left_out.isdisjoint(entry.id for entry in one)]
    entries = [entry for chain in chains for entry in chain]
    wanted = list(variants) if methods is None else [label for label in variants if label in methods]
    pairs = [(label, seed) for label in wanted for seed in (run.manifest.seeds_of(label) if seeds is None else seeds)]
    keys = [(entry.id, *pair) for entry in entries for pair in pairs]
    sources = any(variants[label].kind.needs_source for label in wanted)

    with Writer.opened(run, f"{shard[0]}/{shard[1]}") as writer:
        records = writer.adopt(keys)
        finished = {key: one for key, one in records.items() if not (one.error and retry_failed)}
        before = sum(key in finished for key in keys)

        def work_of(entry: Entry) -> Work:
            case = stored_case(run, suite, entry, captioner if sources else None)
            own = {label: of_suite(one, suite, entry) if suited else one for label, one in variants.items()}
            return Work(case, (), own, run.folder / "fits", masked)

        made = 0
        for made, one in enumerate(executor(works_left(run, chains, pairs, finished, work_of)), 1):
            writer.finish(one.record, one.image, one.recipe)
            records[one.record.key] = one.record
            _tell(one.record, before + made, len(keys), progress, after)
    return _done(records, keys, made)


def _tell(
    record: Record, done: int, total: int, progress: Callable[[int, int, str], None] | None,
    after: Callable[[Record], None] | None,
) -> None:  # fmt: skip
    if after:
        after(record)
    if progress:
        progress(done, total, record.method)


def _variants(run: Run) -> dict[str, Variant]:
    """A label without a method stands for outputs that others made."""
    return {label: Variant(label, **method) for label, method in run.manifest.methods.items() if method["method"]}


def _done(records: Mapping[tuple[str, str, int], Record], keys: Sequence[tuple[str, str, int]], now: int) -> Done:
    mine = [records[key] for key in keys if key in records]
    errors = [record.error for record in mine if record.error]
    return Done(now, len(mine) - len(errors), len(errors), len(keys), next(iter(errors), ""))
