"""``retouch mask``: where a thing is in a picture, as a mask for edits and an overlay to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.messages import note
from retouch.errors import BadParameter


def mask(
    picture: options.PictureFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the mask: white on the thing.")],
    word: Annotated[
        str,
        typer.Option(help="Words for the thing, best all of them (red cat), looked for by the model's own attention."),
    ] = "",
    prompt: Annotated[str, typer.Option(help="A sentence that the words stand in; default: the words alone.")] = "",
    point: Annotated[list[str] | None, typer.Option(help="A pixel inside the thing, as X,Y; may be repeated.")] = None,
    outside: Annotated[list[str] | None, typer.Option(help="A pixel outside it, as X,Y; may be repeated.")] = None,
    box: Annotated[str, typer.Option(help="A box around it, as LEFT,TOP,RIGHT,BOTTOM in pixels.")] = "",
    truth: Annotated[
        bool, typer.Option("--truth", help="The painter's own, for pictures that Diorama painted.")
    ] = False,
    segmenter: Annotated[
        str, typer.Option(help="A Segment Anything model (folder or hub name); none; auto: Diorama's for Diorama.")
    ] = "auto",
    grow: Annotated[int, typer.Option(help="Pixels by which the mask grows; below 0 it shrinks.")] = 0,
    invert: Annotated[bool, typer.Option("--invert", help="Mark everything but the thing.")] = False,
    overlay: Annotated[Path | None, typer.Option(help="Also write the picture with the mask in colour.")] = None,
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Find a thing in PICTURE: by words, by clicks or a box, or from the painter. Give the result to --mask."""
    from retouch.picture import check_outputs, read_picture, write_picture

    check_outputs((output, overlay), force)
    opened = read_picture(picture)
    ways = [bool(word), bool(point or box), truth]
    if sum(ways) != 1:
        raise BadParameter("say in one way what to mark: --word cat, or --point X,Y or --box, or --truth.")
    if outside and not (point or box):
        raise BadParameter("--outside goes with --point or --box.")
    if truth:
        from retouch.diorama.truth import true_mask

        found = true_mask(opened)
    else:
        from retouch.masks.find import read_numbers

        points = [read_numbers("--point", text, 2) for text in point or ()]
        others = [read_numbers("--outside", text, 2) for text in outside or ()]
        edges = read_numbers("--box", box, 4) if box else None

        from retouch.editor import Editor

        found = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model)).mask(
            opened, word=word or None, prompt=prompt or None, points=points, outside=others, box=edges,
            segmenter=segmenter,
        )  # fmt: skip
    from retouch.picture import changed_mask, overlaid

    made = changed_mask(found, grow=grow, invert=invert)
    write_picture(made, output, force=force)
    if overlay:
        write_picture(overlaid(opened.image, made), overlay, force=force)
    if not quiet:
        share = sum(value * count for value, count in enumerate(made.histogram())) / 255 / (made.width * made.height)
        note(f"{output}: {share:.0%} of the picture is marked")
