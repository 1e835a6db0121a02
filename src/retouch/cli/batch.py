"""``retouch batch``: many edits from a table or a folder, resumable, with a page to look them over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import bench_options as of
from retouch.cli import executors, options, streams
from retouch.cli.messages import note, progress_bar, tell_json
from retouch.errors import BadParameter, RetouchError

if TYPE_CHECKING:
    from retouch.batch.row import Row
    from retouch.batch.run import Batch, Words
    from retouch.batch.summary import Summary


def batch(
    edits: Annotated[Path, typer.Argument(help="A table, .csv or .jsonl, - for stdin, or a folder of pictures.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder of results; unfinished ones go on.")],
    target: Annotated[str, typer.Option("--to", help="What pictures should show whose rows do not say.")] = "",
    source: Annotated[str, typer.Option("--from", help="What they show now; else it is proposed.")] = "",
    negative: Annotated[str, typer.Option("--negative", help="What results should not show.")] = "",
    method: Annotated[str, typer.Option(help="Where rows name none; see `retouch methods`.")] = "",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    seed: options.Seed = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, as name=value; rows may say another.")
    ] = None,
    keep: options.Keep = "auto",
    strength: options.Strength = None,
    size: options.Size = None,
    captioner: Annotated[
        str, typer.Option(help="An image-to-text model that says what pictures show where nothing does.")
    ] = "",
    kind: Annotated[str, typer.Option("--format", help="Of results: png, jpg, webp, or same as the picture.")] = "png",
    at_once: Annotated[int, typer.Option("--batch", help="Edits at a time, their network calls together.", min=1)] = 1,
    devices: of.Devices = "",
    shard: Annotated[str, typer.Option(help="This process's share of the rows, as 0/2 and 1/2.")] = "0/1",
    executor: Annotated[str, typer.Option(help="local, or ray: edits spread over a Ray cluster.")] = "local",
    address: of.Address = "",
    worker_cpus: of.WorkerCpus = 1,
    worker_gpus: of.WorkerGpus = 0,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object on stdout for each finished edit.")] = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Make the EDITS of a table, or one edit of every picture in a folder.

    Columns: picture, target, and where wanted source, mask, method, settings (name=value;name=value), seed,
    negative_prompt, strength, region, keep, size and output. Killed or interrupted, the same command goes on; rows that
    changed are made again. Exit code 1 when edits failed: the others are made, and index.html in the folder says why.
    """
    _batch(SimpleNamespace(**locals()))


def _batch(asked: SimpleNamespace) -> None:
    """The command; the options by their names."""
    streams.check_streams({"--output": asked.output})
    read_as, share = options.model_settings(asked.set_model, asked.on_top), of.read_shard(asked.shard)
    workers = executors.Workers(
        asked.executor, asked.model, asked.device, read_as, asked.address, asked.worker_cpus, asked.worker_gpus,
        asked.at_once, of.read_names(asked.devices),
    )  # fmt: skip
    say = (lambda sentence: None) if asked.quiet else note
    words = _words(asked)
    rows = _checked(asked, words.caption is not None, say)

    work = workers.executor(editor := workers.editor())
    from retouch.batch.run import Batch, opened
    from retouch.batch.thumbs import Thumbs

    everything = [(row, row.digest(f"{editor.model.identity} {words.name}")) for row in rows]
    mine = everything[share[0] :: share[1]]
    own = Batch(asked.output, mine, words, thumbs=Thumbs(len(rows)))
    with opened(asked.output, share[1]):
        own.find_finished()
        before = len(mine) - len(own.left())
        if before:
            say(f"{before} of {len(mine)} edits are there already.")
        done = _run(own, work, everything, asked)
    _tell(done, own, asked, say)
    raise typer.Exit(1 if done.failed else 0)


def _words(asked: SimpleNamespace) -> Words:
    from retouch.batch.run import Words

    caption = executors.captioner(asked.captioner, asked.model)
    name = asked.captioner or (asked.model if caption else "")
    if asked.model != "diorama":
        return Words(caption, None, name)
    from retouch.diorama.advice import advise

    return Words(caption, advise, name)


def _checked(asked: SimpleNamespace, captioned: bool, say: options.Say) -> Sequence[Row]:
    """The rows, once nothing is wrong with any of them.

    Raises:
        RetouchError: naming everything that is.
    """
    from retouch.batch.check import check_batch, check_place
    from retouch.batch.read import FORMATS, Defaults, read_batch, read_stream
    from retouch.parameters import settings_from_text

    if asked.kind not in FORMATS:
        raise BadParameter(f"--format is {asked.kind!r}, expected one of {', '.join(FORMATS)}.")
    options.check_kept(asked.keep, asked.strength, asked.size)
    check_place(asked.edits, asked.output)
    given: dict[str, Any] = {
        "target": asked.target, "source": asked.source, "negative_prompt": asked.negative, "method": asked.method,
        "settings": settings_from_text(asked.settings or []), "seed": asked.seed, "keep": asked.keep,
        "strength": asked.strength, "size": asked.size,
    }  # fmt: skip
    defaults = Defaults(given, asked.kind)
    stream = streams.is_stream(asked.edits)
    read = read_stream(streams.input_text(), defaults) if stream else read_batch(asked.edits, defaults)
    check_batch(read, asked.output, captioned)
    if read.unread:
        from retouch.suites.columns import ignored

        say(ignored(read.unread))
    return read.rows


def _run(batch: Batch, work: Any, everything: Sequence[tuple[Row, str]], asked: SimpleNamespace) -> Summary:
    """Makes what is left; the summary is written however it ends."""
    from retouch.batch.summary import write_summary

    title = f"Batch of {'standard input' if streams.is_stream(asked.edits) else asked.edits.name}"
    try:
        with progress_bar("batch", quiet=asked.quiet) as progress:
            batch.run(work, progress=progress, tell=tell_json if asked.as_json else None)
    except KeyboardInterrupt:
        write_summary(batch, everything, title)
        kept = f"{str(batch.folder)!r} keeps what is finished, {batch.made} edits of it made now"
        note(f"retouch: interrupted; {kept}: the same command goes on from there.")
        raise typer.Exit(130) from None
    except RetouchError:  # the disk is full, say
        with suppress(RetouchError):
            write_summary(batch, everything, title)
        raise
    return write_summary(batch, everything, title)


def _tell(done: Summary, batch: Batch, asked: SimpleNamespace, say: options.Say) -> None:
    total = done.there + done.failed + done.left
    say(f"{done.there} of {total} edits are there, {batch.made} made now: see {asked.output / 'index.html'}")
    if done.failed:
        again = "the same command tries them again"
        note(f"retouch: {done.failed} of {total} edits failed ({again}), first: {done.reason}")
