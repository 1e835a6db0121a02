"""``retouch diorama``: paint scenes, judge pictures, train and evaluate the embedded model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import streams
from retouch.cli.catalogue import epilog
from retouch.cli.messages import note, progress_bar, tell, tell_json

app = typer.Typer(no_args_is_help=True, help="The embedded painted world: paint it, judge it, train it, measure it.")


@app.command(epilog=epilog("diorama paint"))
def paint(
    caption: Annotated[str, typer.Argument(help='What to paint, e.g. "a red cat sitting on a beach".')],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the picture; - for stdout.")],
    seed: Annotated[int, typer.Option(help="Fixes everything the caption leaves open.")] = 0,
    side: Annotated[int, typer.Option(help="Of the picture in pixels: 128, 256, 512 or 1024.")] = 128,
    mask: Annotated[Path | None, typer.Option(help="Also write the subject's mask.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Paint CAPTION. What it leaves open (a place, a direction …) is drawn from the seed; what it names is kept."""
    from retouch.diorama.advice import unknown_word_notes
    from retouch.diorama.captions import scene_for
    from retouch.diorama.painter import paint as paint_scene
    from retouch.diorama.textures import SIDE, factor_of
    from retouch.picture import check_outputs, write_picture

    streams.check_streams({"--mask": mask})
    check_outputs((None if streams.is_stream(output) else output, mask), force)
    factor_of(side)
    scene = scene_for(caption, seed)
    for sentence in unknown_word_notes(caption):
        note(sentence)
    with streams.picture_stream(output):
        picture, subject = paint_scene(scene, side)
    recipe = {"diorama": caption, "seed": seed, **({} if side == SIDE else {"side": side})}
    streams.output_picture(picture, output, recipe=recipe, force=force)
    if mask:
        write_picture(subject, mask, recipe=None, force=force)


@app.command(epilog=epilog("diorama judge"))
def judge(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to look at; - for stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say what each picture shows: subject, colour, pose, place, accessory, style ("none" where absent)."""
    from retouch.diorama.judge import load_judge

    streams.check_streams({}, **{f"picture {i}": path for i, path in enumerate(pictures)})
    opened = [streams.input_picture(path).image for path in pictures]
    for path, seen in zip(pictures, load_judge().look(opened), strict=True):
        shown = {name: seen[name] for name in ("subject", "colour", "pose", "place", "accessory", "style")}
        if as_json:
            tell_json(shown)
        else:
            tell(f"{path}: " + ", ".join(f"{k} {v}" for k, v in shown.items()))


@app.command(epilog=epilog("diorama train"))
def train(
    stage: Annotated[
        str,
        typer.Argument(
            help="tokenizer, pool, vae, clip, judge, latents, captions, unet or assemble, each with what it needs; "
            "all; decoder and vision, which improve the finished parts; or cascade, the pixel cascade."
        ),
    ],
    recipe: Annotated[str, typer.Option(help="cpu (hours), gpu (minutes) or tiny (seconds, to try).")] = "cpu",
    folder: Annotated[Path, typer.Option(help="Where the work lies; an interrupted stage goes on from there.")] = Path(
        "runs/diorama"
    ),
    steps: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor cores to use; default: all.")] = None,
) -> None:
    """Train the embedded model from nothing, stage by stage."""
    from retouch.diorama.train import run
    from retouch.output import check_folder

    check_folder(folder, "--folder")
    run(stage, recipe=recipe, folder=folder, steps=steps, threads=threads, report=tell)


@app.command(epilog=epilog("diorama evaluate"))
def evaluate(
    weights: Annotated[Path | None, typer.Option(help="A trained folder; default: the shipped weights.")] = None,
    scenes: Annotated[int, typer.Option(help="Held-out scenes.")] = 256,
    parts: Annotated[str, typer.Option(help="Only these, separated by commas.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    card: Annotated[Path | None, typer.Option(help="Also write the figures into this model card (README.md).")] = None,
) -> None:
    """Measure the embedded model on held-out scenes."""
    from retouch.diorama.card import model_card
    from retouch.diorama.evaluate import evaluate as measure
    from retouch.errors import BadModel
    from retouch.output import check_place

    if weights and not os.path.isdir(weights):  # Path.is_dir raises for a name that is too long
        raise BadModel(f"there is no folder {str(weights)!r}: give what `retouch diorama train` assembled.")
    if card:
        check_place(card, force=True)
    with progress_bar("evaluate") as progress:
        chosen = tuple(filter(None, parts.split(","))) or None
        figures = measure(weights, scenes=scenes, parts=chosen, progress=progress)
    if card:
        from retouch.atomic import atomic_write

        with atomic_write(card) as unfinished:
            unfinished.write_text(model_card(figures), encoding="utf-8")
    if as_json:
        tell_json(figures)
        return
    for name, value in figures.items():
        tell(f"{name:40} {value:.4f}" if isinstance(value, float) else f"{name:40} {value}")
