"""``retouch bench``: any methods on any suite, resumable, into a folder that `retouch report` reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.messages import note, progress_bar
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.editor import Editor
    from retouch.runs.bench import Captioner, Executor, Variant
    from retouch.runs.run import Run
    from retouch.suites.suite import Suite

_SUITES = ("diorama", "tedbench", "pie-bench", "folder")


def bench(
    suite: Annotated[str, typer.Argument(help=f"One of {', '.join(_SUITES)}.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The run's folder; an unfinished run goes on.")],
    methods: Annotated[str, typer.Option(help="Names separated by commas; tuning-free; all; or none.")] = "tuning-free",
    variant: Annotated[
        list[str] | None,
        typer.Option(help="A method with settings, METHOD:NAME=VALUE,… or LABEL=METHOD:NAME=VALUE,…; repeatable."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=FOLDER: edits that others made, called after the suite's ids; repeatable."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="As 0,1,2 or 0-3; every edit is made with each.")] = "0",
    data: Annotated[
        Path | None, typer.Option(help="The suite's folder; for the suite folder a .csv or .jsonl table.")
    ] = None,
    kinds: Annotated[str, typer.Option(help="Of the suite diorama: edit kinds, separated by commas.")] = "",
    count: Annotated[
        int | None, typer.Option(help="Of the suite diorama: scenes of each kind; default 20.", min=1)
    ] = None,
    start: Annotated[
        int | None, typer.Option(help="Of the suite diorama: the first scene's seed; default 1000.", min=0)
    ] = None,
    model: options.Model = "diorama",
    shard: Annotated[str, typer.Option(help="This process's share of the cases, as 0/2 and 1/2.")] = "0/1",
    executor: Annotated[str, typer.Option(help="local, or ray: cases spread over a Ray cluster.")] = "local",
    address: Annotated[str, typer.Option(help="Of the Ray cluster; without one, Ray starts on this machine.")] = "",
    worker_cpus: Annotated[float, typer.Option(help="Cores of a Ray worker.", min=0.01)] = 1,
    worker_gpus: Annotated[float, typer.Option(help="GPUs of a Ray worker.", min=0)] = 0,
    captioner: Annotated[
        str, typer.Option(help="An image-to-text model for source prompts that the suite lacks: folder or hub name.")
    ] = "",
    masks: Annotated[bool, typer.Option("--masks", help="Give the methods the suite's masks.")] = False,
    suited: Annotated[
        bool, typer.Option("--suite-settings", help="Give the methods what the suite sets: PIE-Bench's blended words.")
    ] = False,
    measures: Annotated[
        str,
        typer.Option(
            help="Measures and groups (default, pie-bench, all), fid, frechet.clip (.inside, .outside), or none."
        ),
    ] = "default",
    clip: Annotated[
        str, typer.Option(help="The CLIP model that scores: a folder or a hub name; default: Diorama's for Diorama.")
    ] = "",
    dino: Annotated[str, typer.Option(help="The vision transformer of the structure distance.")] = "",
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out cases whose files are absent or broken.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try edits again that failed before.")] = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Run METHODS on a SUITE. Killed or interrupted, the same command goes on where it was.

    Exit code 1 when edits failed: the run keeps the others, and the reasons.
    """
    from retouch.explore.compare import chosen_methods
    from retouch.runs.bench import begin, read_variants
    from retouch.runs.bench import bench as run_bench
    from retouch.runs.outputs import find_outputs, read_outputs, take_outputs
    from retouch.suites.suite import share_of

    names = [] if methods.strip().lower() in ("none", "") else chosen_methods(methods)
    variants = read_variants(names, variant or [])
    others = read_outputs(outputs or [])
    if not variants and not others:
        raise BadParameter("there is nothing to run: name a method with --methods, --variant or --outputs.")
    numbers, share = _seeds(seeds), _shard(shard)
    chosen = _measures(measures)
    if executor not in ("local", "ray"):
        raise BadParameter(f"--executor is {executor!r}, expected local or ray.")
    if address and executor != "ray":
        raise BadParameter("--address goes with --executor ray.")
    opened = _suite(suite, data, kinds, count, start)
    skip = _skipped(opened, share, skip_missing)
    say = (lambda sentence: None) if quiet else note
    if skip:
        say(f"{len(skip)} of {len(opened.entries)} cases are left out.")
    found = {label: find_outputs(opened, folder) for label, folder in others.items()}
    caption = _captioner(opened, variants, captioner, model)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(model, device=device or None)
    work = _executor(executor, editor, model, device, address, worker_cpus, worker_gpus)
    measuring = _Measuring(chosen, clip or ("diorama" if model == "diorama" else ""), dino, say)
    measuring.check(output)
    run = begin(output, opened, editor, variants, numbers, others=list(others), masked=masks, suited=suited)
    mine = [entry.id for entry in share_of(opened, share)]
    for label, pictures in found.items():
        taken = take_outputs(run, opened, label, pictures, shard=share, skip=skip)
        say(f"{taken} of {len(mine)} edits are there of {label}.")
    with progress_bar("bench", quiet=quiet) as progress:
        try:
            done = run_bench(
                run, opened, work, methods=list(variants), seeds=numbers, shard=share, captioner=caption,
                retry_failed=retry_failed, skip=skip, masked=masks, suited=suited, progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            note(f"retouch: interrupted; {str(output)!r} keeps what is finished: the same command goes on from there.")
            raise typer.Exit(130) from None
    if variants:
        say(f"{done.there} of {done.total} edits are there, {done.now} tried now.")
    if done.failed:
        note(f"retouch: {done.failed} of {done.total} edits failed (--retry-failed tries again), first: {done.reason}")
    _measure(run, measuring, mine, opened.name, shard, quiet, say)
    if done.there or found:
        say(f"see them side by side: retouch report {output}")
    if done.failed:
        raise typer.Exit(1)


def _suite(name: str, data: Path | None, kinds: str, count: int | None, start: int | None) -> Suite:
    if name not in _SUITES:
        raise BadParameter(f"there is no suite {name!r}, expected one of {', '.join(_SUITES)}.")
    if name == "diorama":
        from retouch.diorama.pairs import KINDS
        from retouch.diorama.suite import HELD_OUT_FROM, DioramaSuite

        if data is not None:
            raise BadParameter("--data goes with the other suites: diorama paints its own pictures.")
        wanted = [kind.strip() for kind in kinds.split(",") if kind.strip()]
        return DioramaSuite(wanted or KINDS, 20 if count is None else count, HELD_OUT_FROM if start is None else start)
    if data is None:
        raise BadParameter(f"the suite {name} is read from your disk: say where with --data.")
    for option, given in (("--kinds", kinds or None), ("--count", count), ("--start", start)):
        if given is not None:
            raise BadParameter(f"{option} goes with the suite diorama, not {name}.")
    from retouch.suites.pie_bench import PieBench
    from retouch.suites.table import Table
    from retouch.suites.tedbench import TEdBench

    kinds_of_suite: dict[str, Callable[[Path], Suite]] = {"tedbench": TEdBench, "pie-bench": PieBench, "folder": Table}
    return kinds_of_suite[name](data)


def _skipped(suite: Suite, share: tuple[int, int], skip: bool) -> list[str]:
    """The cases of the shard whose files cannot be used; refuses them unless they are to be skipped."""
    from retouch.runs.bench import preflight
    from retouch.suites.suite import BadSuite, share_of

    wrong = preflight(suite, share_of(suite, share))
    if wrong and not skip:
        shown = "\n".join(f"  {name}: {reason}" for name, reason in list(wrong.items())[:20])
        more = f"\n  and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise BadSuite(
            f"{len(wrong)} of the suite's cases cannot be used; put them right, or leave them out with "
            f"--skip-missing:\n{shown}{more}"
        )
    return list(wrong)


def _captioner(suite: Suite, variants: dict[str, Variant], name: str, model: str) -> Captioner | None:
    """Who says what pictures show, where the suite does not and a method needs it."""
    from retouch.methods.registry import method_type

    if all(entry.source for entry in suite.entries):
        return None
    if name:
        from retouch.runs.captions import Captioner as Model

        return Model(name)
    if model == "diorama":
        from retouch.diorama.advice import describe

        return describe
    needy = [one.label for one in variants.values() if method_type(one.method).needs_source]
    if needy:
        raise BadParameter(
            f"the suite says not what its pictures show, and {needy[0]} needs it: name an image-to-text model, as "
            "--captioner Salesforce/blip-image-captioning-base, or leave such methods out."
        )
    return None


def _executor(name: str, editor: Editor, model: str, device: str, address: str, cpus: float, gpus: float) -> Executor:
    from retouch.runs.bench import local

    if name == "ray":
        from retouch.runs.on_ray import ModelSpec, on_ray

        where = device or ("" if gpus else "cpu")  # workers that asked for no GPU must not crowd one
        return on_ray(ModelSpec(model, where, max(1, int(cpus))), address=address, cpus=cpus, gpus=gpus)
    return local(editor)


def _measures(text: str) -> tuple[list[str], list[str]]:
    """The measures of single edits, and those of all together, that are asked for."""
    from retouch.measures.registry import names
    from retouch.runs.measuring import SETS

    wanted = [name.strip() for name in text.split(",") if name.strip() and name.strip() != "none"]
    single = [name for name in wanted if name not in SETS]
    for name in single:
        names(name)  # refuses what does not exist
    return single, [name for name in SETS if name in wanted or "all" in wanted]


class _Measuring:
    """The measures that can be taken here, loaded before the work begins."""

    def __init__(self, chosen: tuple[list[str], list[str]], clip: str, dino: str, say: options.Say) -> None:
        from retouch.measures.registry import measures_for
        from retouch.measures.structure import DINO

        self.sets, self.clip = chosen[1], clip or None
        self.single, unable = measures_for(self.clip, chosen[0], dino or DINO)
        for name, reason in unable:
            say(f"{name} is left out: {reason}")

    def check(self, folder: Path) -> None:
        """Refuses, before anything is written, what could not be measured in a run that is there."""
        from retouch.runs.measuring import check_models, models_of
        from retouch.runs.run import Run

        if os.path.isfile(folder / "run.json"):  # Path.is_file raises for a name that is too long
            models = {one.name: one.model for one in self.single} | models_of(self.sets, self.clip)
            check_models(Run.open(folder), models)


def _measure(
    run: Run, measuring: _Measuring, cases: Sequence[str], suite: str, shard: str, quiet: bool, say: options.Say
) -> None:
    from retouch.runs.measuring import measure, measure_sets
    from retouch.runs.results import MissingExtra, outdated_sets, write_results

    own: dict[str, object] = {}
    if suite == "diorama":
        from retouch.diorama.suite import VERDICTS, verdicts

        own = {"verdicts": verdicts, "about_verdicts": VERDICTS}
    try:
        with progress_bar("measure", quiet=quiet) as progress:
            measure(run, measuring.single, cases=cases, shard=shard, progress=progress, **own)  # type: ignore[arg-type]
        for sentence in measure_sets(run, measuring.sets, measuring.clip) if measuring.sets else ():
            say(sentence)
        if old := outdated_sets(run):
            say(
                f"{', '.join(old)}: taken before edits were added, and left out of reports until --measures asks again."
            )
    finally:
        try:
            write_results(run)
        except MissingExtra as error:
            say(f"no results.parquet: {error}")


def _seeds(text: str) -> list[int]:
    """Seeds of "0,1,2" or "0-3".

    Raises:
        BadParameter: for anything else.
    """
    from retouch.task import checked_seed

    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise BadParameter(f"--seeds is {text!r}, expected numbers as 0,1,2 or 0-3.") from None
        if high < low or high - low >= 10_000:
            raise BadParameter(f"--seeds is {text!r}: {part.strip()!r} is no range of at most 10000 seeds.")
        found += range(checked_seed(low), checked_seed(high) + 1)
    return list(dict.fromkeys(found))


def _shard(text: str) -> tuple[int, int]:
    share, _, shards = text.partition("/")
    if not (share.isdecimal() and shards.isdecimal() and int(share) < int(shards)):
        raise BadParameter(f"--shard is {text!r}, expected I/N with I in 0..N-1, as 0/2 and 1/2.")
    return int(share), int(shards)
