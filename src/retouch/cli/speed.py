"""``retouch bench speed``: how fast methods are on a device, with random weights where no others are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options
from retouch.cli.messages import note, tell_json, tell_prose, tell_table
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.editor import Editor
    from retouch.speed.measure import Speed

_ON_GPU, _ON_CPU = "1,2,4,8", "1"

Methods = Annotated[str, typer.Option(help="Names separated by commas; tuning-free; or all.")]
ModelName = Annotated[
    str, typer.Option(help="sd15-shape, sd21-shape, sdxl-shape, if-shape: without files; or any other model.")
]
RandomInit = Annotated[bool, typer.Option("--random-init", help="Random weights: what the -shape models have anyway.")]
Steps = Annotated[int, typer.Option(help="Denoising steps T of every method.")]
Batches = Annotated[str, typer.Option(help="Pictures edited at once, as 1,2,4,8; default on a GPU that, on a CPU 1.")]
Precision = Annotated[str, typer.Option(help="float32, float16 or bfloat16; default: float16 on a GPU, else float32.")]
Memory = Annotated[str, typer.Option(help="Of the device it may take: fast, balanced or low; see docs/memory.md.")]
Compile = Annotated[bool, typer.Option("--compile", help="Have torch compile the network's blocks.")]
ChannelsLast = Annotated[bool, typer.Option("--channels-last", help="Lay out its weights with the channels last.")]
Repeats = Annotated[int, typer.Option(help="Of every timing; the median counts.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Also write the figures here, as .json.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def speed(
    model: ModelName = "diorama",
    random_init: RandomInit = False,
    methods: Methods = "ddim,prox-npi,plug-and-play",
    steps: Steps = 50,
    batches: Batches = "",
    dtype: Precision = "",
    memory: Memory = "fast",
    compile: Compile = False,
    channels_last: ChannelsLast = False,
    size: options.Size = None,
    repeats: Repeats = 1,
    output: Output = None,
    as_json: AsJson = False,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Time METHODS: evaluations, seconds, what an edit adds to its bare network, memory, pictures per second, FLOP/s.

    A batch that has too little memory is said to, and the others go on.
    """
    from retouch.arguments import check_size
    from retouch.output import check_place
    from retouch.runs.variants import chosen_methods

    for option, number in (("--steps", steps), ("--repeats", repeats)):
        if not 1 <= number <= 1000:
            raise BadParameter(f"{option} is {number}, expected a whole number in 1..1000.")
    names, several = chosen_methods(methods), _counts(batches)
    check_size(size)
    if output is not None:
        check_place(output, force, (".json",))
    editor = _editor(model, random_init, device, dtype, {
        "memory": memory, "compile": compile, "channels_last": channels_last
    })  # fmt: skip
    counts = several or _counts(_ON_CPU if editor.model.device.type == "cpu" else _ON_GPU)

    from retouch.speed.measure import measure

    found = measure(editor, names, steps, counts, repeats, size, (lambda words: None) if quiet else note)
    if output is not None:
        _write(found, output, force)
    _tell(found, as_json)


def _counts(text: str) -> list[int]:
    """The numbers between commas."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdecimal() and 1 <= int(part) <= 1000 for part in parts):
        raise BadParameter(f"--batches is {text!r}, expected whole numbers from 1 on separated by commas, as 1,2,4,8.")
    return list(dict.fromkeys(map(int, parts)))


def _editor(model: str, random: bool, device: str, dtype: str, how: Mapping[str, Any]) -> Editor:
    from retouch.backbone.compiled import check_compiler, prepare_network
    from retouch.backbone.places import device_named
    from retouch.backbone.saving import memory_named, save_memory
    from retouch.backbone.shaped import SHAPES, random_model
    from retouch.editor import Editor

    saves = memory_named(how["memory"])
    if how["compile"]:
        check_compiler(device_named(device or None))
    if model in SHAPES:
        shaped = random_model(model, device or None, dtype or None)
        save_memory(shaped, saves)
        prepare_network(shaped, how["compile"], how["channels_last"])
        return Editor(shaped)
    if random or model.endswith("-shape"):
        raise BadParameter(f"--model is {model!r}, and there are random weights for {', '.join(SHAPES)} alone.")
    return Editor.from_pretrained(model, device=device or None, dtype=dtype or None, **how)


def _write(found: Speed, output: Path, force: bool) -> None:
    from retouch.atomic import atomic_write
    from retouch.output import taken_already

    try:
        with atomic_write(output, replace=force) as unfinished:
            unfinished.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    except FileExistsError:
        raise taken_already(output) from None
    except OSError as error:
        raise BadParameter(f"the output {str(output)!r} cannot be written ({error.strerror}).") from None


def _tell(found: Speed, as_json: bool) -> None:
    from retouch.speed.table import headings, headline, rows

    if as_json:
        tell_json(found.as_json(), indent=1)
        return
    tell_prose(headline(found))
    tell_table(headings(found), rows(found))
