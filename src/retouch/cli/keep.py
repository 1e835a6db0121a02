"""``retouch keep``: anybody's edit with the original's pixels put back wherever it changed nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note

_LOSSLESS = ".png"


def keep(
    before: Annotated[Path, typer.Argument(help="The picture as it was; - for stdin.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Its edit, by any tool; - for stdin.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the result; - for stdout, as PNG.")],
    changed: Annotated[
        Path | None,
        typer.Option(help="Also write where the edit is: white; black is the picture BEFORE, pixel by pixel."),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Take over from AFTER what it changed, and keep every other pixel of BEFORE as it was."""
    streams.check_streams({"--changed": changed}, before=before, after=after)
    with streams.picture_stream(output):
        one, other = streams.input_picture(before), streams.input_picture(after)

        from retouch.picture import check_outputs, write_picture

        size = one.image.size
        check_outputs((None if streams.is_stream(output) else output, changed), force, (size, size))

        from retouch.keep import keep as kept

        made = kept(one.image, other.image)
    about = {"untouched": made.untouched, "shift": made.shift, "drift": made.drift}
    recipe = {"keep": {"before": before.name, "after": after.name, **about}}
    streams.output_picture(made.image, output, recipe=recipe, force=force)
    if changed:
        write_picture(made.changed, changed, recipe=recipe, force=force)
    if quiet:
        return
    for sentence in (*one.notes, *other.notes):
        note(sentence)
    if not streams.is_stream(output) and output.suffix.lower() != _LOSSLESS:
        note(f"{output}: this format stores every pixel anew; write a .png to keep them exactly.")
    if made.untouched == 1:
        note("the edit changed nothing that can be told from its own noise.")
    note(
        f"{streams.name_of(output)}: {made.untouched:.1%} of the pixels are untouched; the edit had moved by at most "
        f"{made.shift:.1f} pixels, its tone by {made.drift:.1f} of 255"
    )
