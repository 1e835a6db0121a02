"""``retouch edit --candidates``: the best of what auto tries, as a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from retouch.cli import options, streams
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.methods.method import Method
    from retouch.picture import Picture
    from retouch.result import EditResult


def check_candidates(asked: SimpleNamespace, chosen: type[Method]) -> None:
    """Refuses a number outside 1..16, another method than auto, options that make no sense here, and a sheet too large.

    Args:
        asked: the options of ``retouch edit`` by their names.

    Raises:
        BadParameter: naming what is wrong.
    """
    from retouch.auto.choose import check_count
    from retouch.auto.kind import Auto
    from retouch.explore.candidates import size_of_sheet
    from retouch.picture import check_outputs

    check_count(asked.candidates, "--candidates")
    if chosen is not Auto:
        raise BadParameter(f"--candidates are chosen by auto, and the method is {chosen.name}: leave one of them out.")
    for name in ("strip", "changed", "reference", "foreground", "budget"):
        if getattr(asked, name) is not None:
            raise BadParameter(f"--{name} has no effect with --candidates: leave one of them out.")
    if asked.upscaler:
        raise BadParameter("--upscaler has no effect with --candidates: leave one of them out.")
    sheet = size_of_sheet(asked.candidates)
    check_outputs((None if streams.is_stream(asked.output) else asked.output,), asked.force, (sheet,))


def write_candidates(opened: Picture, found: Sequence[EditResult], output: Path, force: bool, say: options.Say) -> None:
    """Writes the sheet, and says what the candidates are."""
    from retouch.explore.candidates import described, sheet
    from retouch.idle import notes_of_many
    from retouch.picture import write_picture

    for sentence in notes_of_many(one.notes for one in found):
        say(sentence)
    image, recipe = sheet(opened.image, found), {"candidates": [one.recipe for one in found]}
    if streams.is_stream(output):
        streams.output_picture(image, output, recipe=recipe)
    else:
        write_picture(image, output, recipe=recipe, force=force)
    for number, one in enumerate(found, 1):
        say(f"{number}: {described(one)}")
    say(f"{streams.name_of(output)}: {len(found)} candidates; `retouch recipe` shows how to make each of them alone")
