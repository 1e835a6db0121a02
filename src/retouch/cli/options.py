"""The options that commands which edit have in common, what is checked about them first, and the words around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.errors import BadParameter, BadPrompt

if TYPE_CHECKING:
    from PIL import Image

PictureFile = Annotated[Path, typer.Argument(help="The picture: PNG, JPEG or WebP, any size.")]
Target = Annotated[str, typer.Option("--to", help="What the picture should show.")]
Source = Annotated[str, typer.Option("--from", help="What the picture shows now.")]
Model = Annotated[str, typer.Option(help="'diorama', a diffusers folder, a hub name or a .safetensors file.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter, as name=value, for every method here that has it.")
]
Mask = Annotated[Path | None, typer.Option(help="A picture: white where the edit may happen.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps; default: the best there is.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]


def check_words(target: str, seed: int) -> None:
    """Refuses an empty --to and a negative --seed.

    Raises:
        BadPrompt, BadParameter: naming the option.
    """
    if not target.strip():
        raise BadPrompt("--to is empty: say what the picture should show.")
    if seed < 0:
        raise BadParameter(f"--seed is {seed}, expected a whole number from 0.")


def described(
    model: str, image: Image.Image, source: str, target: str, needs_source: bool, say: Callable[[str], None]
) -> str:
    """The source prompt; Diorama says itself what its picture shows where one is missing, and warns of odd words."""
    if model != "diorama":
        return source
    from retouch.diorama.advice import advise, describe

    if not source.strip() and needs_source:
        source = describe(image)
        say(f"no --from was given; the picture is taken to show: {source!r}")
    for sentence in advise(image, source, target):
        say(sentence)
    return source
