"""The options of ``retouch bench``, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.errors import BadParameter

Output = Annotated[Path, typer.Option("-o", "--output", help="The run's folder; an unfinished run goes on.")]
Methods = Annotated[str, typer.Option(help="Names separated by commas; tuning-free; all; or none.")]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        help="A method with settings, METHOD:NAME=VALUE,… or LABEL= and the same; a NAME may be that of a part "
        "(inversion, control, guidance, sampler); repeatable."
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(help="LABEL=FOLDER: edits that others made, called after the suite's ids; repeatable."),
]
Seeds = Annotated[str, typer.Option(help="As 0,1,2 or 0-3; every edit is made with each.")]
Shard = Annotated[str, typer.Option(help="This process's share of the cases, as 0/2 and 1/2.")]
Executor = Annotated[str, typer.Option(help="local, or ray: cases spread over a Ray cluster.")]
Address = Annotated[str, typer.Option(help="Of the Ray cluster; without one, Ray starts on this machine.")]
WorkerCpus = Annotated[float, typer.Option(help="Cores of a Ray worker.", min=0.01)]
WorkerGpus = Annotated[float, typer.Option(help="GPUs of a Ray worker.", min=0)]
Batch = Annotated[int, typer.Option(help="Cases at a time, their network calls put together.", min=1)]
Devices = Annotated[str, typer.Option(help="Devices to share the cases over, as cuda:0,cuda:1: a process on each.")]
Captioner = Annotated[
    str, typer.Option(help="An image-to-text model for source prompts that the suite lacks: folder or hub name.")
]
Masks = Annotated[bool, typer.Option("--masks", help="Give the methods the suite's masks.")]
Keep = Annotated[
    str,
    typer.Option(
        help="off: edits as the model draws them; auto, exact: with what they did not change kept, as `retouch edit "
        "--keep`; both: every method twice, off and, under the label 'LABEL kept', auto."
    ),
]
Suited = Annotated[
    bool,
    typer.Option("--suite-settings", help="Give the methods what the suite was published with, as its blended words."),
]
Measures = Annotated[str, typer.Option(help="Names and groups, as `retouch measures` lists them; or none.")]
Clip = Annotated[
    str, typer.Option(help="The CLIP model that scores: a folder or a hub name; default: Diorama's for Diorama.")
]
Dino = Annotated[str, typer.Option(help="The vision transformer of the structure distance.")]
SkipMissing = Annotated[bool, typer.Option("--skip-missing", help="Leave out cases whose files are absent or broken.")]
Watch = Annotated[bool, typer.Option("--watch", help="A table of the methods that follows the run, on stderr.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try edits again that failed before.")]


def read_names(text: str) -> list[str]:
    """The names between commas; "none" stands for none."""
    return [name.strip() for name in text.split(",") if name.strip() and name.strip() != "none"]


def read_seeds(text: str) -> list[int]:
    """Seeds of "0,1,2" or "0-3".

    Raises:
        BadParameter: for anything else.
    """
    from retouch.request import checked_seed

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


def read_shard(text: str) -> tuple[int, int]:
    """(share, shards) of "0/2".

    Raises:
        BadParameter: for anything else.
    """
    share, _, shards = text.partition("/")
    if not (share.isdecimal() and shards.isdecimal() and int(share) < int(shards)):
        raise BadParameter(f"--shard is {text!r}, expected I/N with I in 0..N-1, as 0/2 and 1/2.")
    return int(share), int(shards)
