"""``retouch bench``: any methods on any suite, resumable, into a folder that `retouch report` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import bench_options as of
from retouch.cli import executors, options, streams
from retouch.cli.messages import note, progress_bar, tell, tell_prose, tell_table
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.runs.bench import Done
    from retouch.runs.cases import Captioner
    from retouch.runs.edits import Executor
    from retouch.runs.manifest import Record
    from retouch.runs.measuring import Told
    from retouch.runs.run import Run
    from retouch.runs.take import Measuring
    from retouch.runs.variants import Variant
    from retouch.suites.suite import Entry, Suite


def bench(
    suite: Annotated[str, typer.Argument(help="Whose edits.", show_default=False)],
    output: of.Output,
    methods: of.Methods = "tuning-free",
    variant: of.Variants = None,
    outputs: of.Outputs = None,
    seeds: of.Seeds = "0",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    shard: of.Shard = "0/1",
    executor: of.Executor = "local",
    address: of.Address = "",
    worker_cpus: of.WorkerCpus = 1,
    worker_gpus: of.WorkerGpus = 0,
    batch: of.Batch = 1, devices: of.Devices = "",
    captioner: of.Captioner = "", keep: of.Keep = "off", size: options.Size = None,
    masks: of.Masks = False, suited: of.Suited = False,
    measures: of.Measures = "default", clip: of.Clip = "", dino: of.Dino = "",
    skip_missing: of.SkipMissing = False, retry_failed: of.RetryFailed = False, watch: of.Watch = False,
    device: options.Device = "", quiet: options.Quiet = False,
    suite_options: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Run METHODS on a SUITE. Killed or interrupted, the same command goes on where it was.

    Exit code 1 when edits failed: the run keeps the others, and the reasons. `retouch bench speed` times methods.
    """
    streams.check_streams({"--output": output})
    read_as = options.model_settings(set_model, on_top)
    variants, others = _variants(methods, variant or [], keep, size, outputs or [])
    numbers, share = of.read_seeds(seeds), of.read_shard(shard)
    several = of.read_names(devices)
    workers = executors.Workers(executor, model, device, read_as, address, worker_cpus, worker_gpus, batch, several)
    from retouch.runs.bench import begin

    say = (lambda sentence: None) if quiet else note
    opened, mine = _opened(suite, suite_options, share)
    skip, found = _skipped(opened, mine, skip_missing, suited, say), _found(opened, others)
    caption = _captioner(opened, variants, captioner, model)
    measuring = _measuring(opened, measures, clip or ("diorama" if model in options.EMBEDDED else ""), dino)
    work = workers.executor(editor := workers.editor())
    measuring.load(output, say)
    run = begin(output, opened, editor, variants, numbers, others=list(others), masked=masks, suited=suited)
    _take(run, opened, found, share, skip, say)
    done = _edit(
        run, opened, work, measuring, watch, quiet, say, methods=list(variants), seeds=numbers, shard=share,
        captioner=caption, retry_failed=retry_failed, skip=skip, masked=masks, suited=suited,
    )  # fmt: skip
    _measure(run, measuring, mine, shard, quiet, say)
    if done.there or found:
        say(f"see them side by side: retouch report {output}")
    raise typer.Exit(1 if done.failed else 0)


def _opened(suite: str, given: Mapping[str, str] | None, share: tuple[int, int]) -> tuple[Suite, Sequence[Entry]]:
    """The suite, and those of its entries that are this shard's."""
    from retouch.suites.registry import open_suite
    from retouch.suites.suite import share_of

    opened = open_suite(suite, given)
    return opened, share_of(opened, share)


def _variants(
    methods: str, variants: Sequence[str], keep: str, size: int | None, outputs: Sequence[str]
) -> tuple[dict[str, Variant], dict[str, Path]]:
    """What is to be run, and the folders of outputs that others made, by label."""
    from retouch.runs.outputs import read_outputs
    from retouch.runs.variants import chosen_methods, kept, read_variants, sized

    names = [] if methods.strip().lower() in ("none", "") else chosen_methods(methods)
    ours, others = sized(kept(read_variants(names, variants), keep), size), read_outputs(outputs)
    if not ours and not others:
        raise BadParameter("there is nothing to run: name a method with --methods, --variant or --outputs.")
    return ours, others


def _skipped(suite: Suite, mine: Sequence[Entry], skip: bool, suited: bool, say: options.Say) -> list[str]:
    """The ids of cases that are left out; what there is to say of the suite's table and files is said."""
    from retouch.picture import Note, summed
    from retouch.suites.preflight import unusable

    seen = list[Note]()
    left = unusable(suite, mine, skip, seen)
    for sentence in (*suite.notes, *(suite.settings_notes if suited else ()), *summed(seen)):
        say(sentence)
    if left:
        say(f"{len(left)} of {len(suite.entries)} cases are left out.")
    return left


def _found(suite: Suite, others: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    from retouch.runs.outputs import find_outputs

    return {label: find_outputs(suite, folder) for label, folder in others.items()}


def _captioner(suite: Suite, variants: Mapping[str, Variant], name: str, model: str) -> Captioner | None:
    """Who says what pictures show, where the suite does not and a method needs it."""
    if all(entry.source for entry in suite.entries):
        return None
    found = executors.captioner(name, model)
    if found is not None:
        return found
    needy = [one.label for one in variants.values() if one.kind.needs_source]
    if needy:
        raise BadParameter(
            f"the suite says not what its pictures show, and {needy[0]} needs it: name an image-to-text model, as "
            "--captioner Salesforce/blip-image-captioning-base, or leave such methods out."
        )
    return None


def _measuring(suite: Suite, measures: str, clip: str, dino: str) -> Measuring:
    from retouch.measures.models import Models
    from retouch.runs.take import Measuring

    return Measuring(of.read_names(measures), suite, Models(clip or None, dino or None))


def _take(
    run: Run, suite: Suite, found: Mapping[str, Mapping[str, Path]], share: tuple[int, int], skip: Sequence[str],
    say: options.Say,
) -> None:  # fmt: skip
    """Takes in what others made."""
    from retouch.picture import Note, summed
    from retouch.runs.outputs import take_outputs
    from retouch.suites.suite import share_of

    seen = list[Note]()
    for label, pictures in found.items():
        taken = take_outputs(run, suite, label, pictures, shard=share, skip=skip, notes=seen)
        say(f"{taken} of {len(share_of(suite, share))} edits are there of {label}.")
    for sentence in summed(seen):
        say(sentence)


def _measure(
    run: Run, measuring: Measuring, mine: Sequence[Entry], shard: str, quiet: bool, say: options.Say
) -> None:  # fmt: skip
    with progress_bar("measure", quiet=quiet) as progress:
        measuring.take(run, [entry.id for entry in mine], shard, say, progress)
    _tell_drift(run, mine)


def _tell_drift(run: Run, mine: Sequence[Entry]) -> None:
    """Of edits in a row, how far they drifted: printed, and written into the run's folder with strips."""
    chains = {entry.chain for entry in mine if entry.chain}
    if not chains:
        return
    from retouch.explore.drift import drift_of

    drift = drift_of(run)
    drift.write(chains)
    for label in dict.fromkeys(row.method for row in drift.rows):
        tell(label)
        tell_table(drift.headings, [drift.cells(row) for row in drift.rows if row.method == label])
        tell()
    tell_prose(drift.told())


def _edit(
    run: Run, suite: Suite, work: Executor, measuring: Measuring, watch: bool, quiet: bool, say: options.Say,
    **wanted: Any,
) -> Done:  # fmt: skip
    """Makes what is left to do, measured as it comes, and says how far it is."""
    from retouch.runs.bench import bench as run_bench

    share, shards = wanted["shard"]
    with _followed(run, suite, measuring, watch, quiet, wanted) as (told, progress, after):
        try:
            with measuring.as_they_come(run, f"{share}/{shards}", told) as measured:

                def finished(record: Record) -> None:
                    measured(record)
                    after(record)

                done = run_bench(run, suite, work, **wanted, progress=progress, after=finished)
        except KeyboardInterrupt:
            kept = f"{str(run.folder)!r} keeps what is finished: the same command goes on from there."
            note(f"retouch: interrupted; {kept}")
            raise typer.Exit(130) from None
    if wanted["methods"]:
        say(f"{done.there} of {done.total} edits are there, {done.now} tried now.")
    if done.failed:
        note(f"retouch: {done.failed} of {done.total} edits failed (--retry-failed tries again), first: {done.reason}")
    return done


@contextmanager
def _followed(
    run: Run, suite: Suite, measuring: Measuring, watch: bool, quiet: bool, wanted: Mapping[str, Any]
) -> Iterator[tuple[Told | None, Callable[..., None] | None, Callable[[Record], None]]]:
    """What is told of values, of progress and of finished edits: to a table that is watched, or to a bar."""
    if not watch:
        with progress_bar("bench", quiet=quiet) as progress:
            yield None, progress, lambda record: None
        return
    from retouch.cli.watch import watching
    from retouch.runs.tally import Tally
    from retouch.suites.suite import share_of

    cases = {entry.id for entry in share_of(suite, wanted["shard"])} - {*wanted["skip"]}
    tally = Tally(run, suite, wanted["methods"], cases, wanted["seeds"], measuring.names)
    with watching(tally) as draw:

        def told(record: Record, values: Mapping[str, float | None]) -> None:
            tally.measured(record, values)
            draw()

        def finished(record: Record) -> None:
            tally.finished(record)
            draw()

        yield told, None, finished
