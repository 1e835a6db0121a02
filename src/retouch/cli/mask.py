"""``retouch mask``: where a thing is in a picture, as a mask for edits and an overlay to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from PIL import Image

    from retouch.picture import Picture


def mask(
    picture: options.PictureFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the mask, white on the thing; - for stdout.")
    ],
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
    on_top: options.OnTop = None,
    size: options.Size = None,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Find a thing in PICTURE: by words, by clicks or a box, or from the painter. Give the result to --mask."""
    _check_ways(word, bool(point or box), truth, bool(outside), prompt, segmenter, size)
    from retouch.picture import changed_mask, overlaid, write_picture

    streams.check_streams({"--overlay": overlay})
    with streams.picture_stream(output):
        opened = streams.input_picture(picture)
        _check_outputs(opened, output, overlay, force, grow)
        if truth:
            from retouch.diorama.truth import true_mask

            found = true_mask(opened)
        else:
            clicks = _read_clicks(point, outside, box)
            if model in options.EMBEDDED and word and not quiet:
                _tell_unknown(f"{word} {prompt}")

            from retouch.editor import Editor

            editor = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model, on_top))
            found = editor.mask(
                opened, word=word or None, prompt=prompt or None, segmenter=segmenter, size=size,
                say=None if quiet else note, **clicks,
            )  # fmt: skip
        made = changed_mask(found, grow=grow, invert=invert)
    streams.output_picture(made, output, force=force)
    if overlay:
        write_picture(overlaid(opened.image, made), overlay, force=force)
    if not quiet:
        note(f"{streams.name_of(output)}: {_share(made):.0%} of the picture is marked")


def _check_ways(
    word: str, clicked: bool, truth: bool, outside: bool, prompt: str, segmenter: str, size: int | None
) -> None:
    if sum([bool(word), clicked, truth]) != 1:
        raise BadParameter("say in one way what to mark: --word cat, or --point X,Y or --box, or --truth.")
    if outside and not clicked:
        raise BadParameter("--outside goes with --point or --box.")
    if prompt and not word:
        raise BadParameter("--prompt goes with --word: it is the sentence in which the words are looked for.")
    if size is not None and not word:
        raise BadParameter("--size goes with --word: it is the size of the picture where the model looks for it.")
    options.check_kept("auto", None, size)
    if truth and segmenter != "auto":
        raise BadParameter("--truth asks the painter, and no segmenter: leave --segmenter out.")


def _tell_unknown(words: str) -> None:
    from retouch.diorama.advice import unknown_word_notes

    for sentence in unknown_word_notes(words):
        note(sentence)


def _share(mask: Image.Image) -> float:
    return sum(value * count for value, count in enumerate(mask.histogram())) / 255 / (mask.width * mask.height)


def _check_outputs(opened: Picture, output: Path, overlay: Path | None, force: bool, grow: int) -> None:
    from retouch.picture import check_growth, check_outputs

    size = opened.image.size
    check_outputs((None if streams.is_stream(output) else output, overlay), force, (size, size))
    check_growth(grow, size)


def _read_clicks(points: list[str] | None, outside: list[str] | None, box: str) -> dict[str, Any]:
    from retouch.masks.find import read_numbers

    return {
        "points": [read_numbers("--point", text, 2) for text in points or ()],
        "outside": [read_numbers("--outside", text, 2) for text in outside or ()],
        "box": read_numbers("--box", box, 4) if box else None,
    }
