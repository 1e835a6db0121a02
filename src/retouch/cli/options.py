"""The options that commands which edit have in common, what is checked about them first, and the words around them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli.messages import note
from retouch.cli.streams import is_stream
from retouch.errors import BadParameter, BadPrompt

EMBEDDED = ("diorama", "diorama-pixels")
"""The models of the painted world, whose words, truth and CLIP are known."""

Say = Callable[[str], None]
"""Says a sentence to the user, or keeps it."""

if TYPE_CHECKING:
    from PIL import Image

    from retouch.fit.fitted import Fit

PictureFile = Annotated[Path, typer.Argument(help="The picture: PNG, JPEG or WebP, any size; - for stdin.")]
Target = Annotated[str, typer.Option("--to", help="What the picture should show.")]
Source = Annotated[str, typer.Option("--from", help="What the picture shows now.")]
Negative = Annotated[
    str, typer.Option("--negative", help="What the result should not show: guidance leads away from it.")
]
Model = Annotated[str, typer.Option(help="'diorama', a diffusers folder, a hub name or a .safetensors file.")]
SetModel = Annotated[
    list[str] | None,
    typer.Option(help="How the model is read where its files do not say: prediction=v, zero_snr=yes, native=768, ..."),
]
OnTop = Mapping[str, Any] | None
"""What is put on top of the model, see :mod:`retouch.cli.on_top`."""
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A parameter, as name=value, for every method here that has it.")
]
Part = Annotated[str, typer.Option(help="In place of the method's own; see `retouch methods --parts`.")]
Mask = Annotated[
    Path | None, typer.Option(help="A picture: white where the edit may happen, grey by how much; the rest stays.")
]
Foreground = Annotated[
    Path | None, typer.Option(help="A picture: white where the subject is, for methods that treat it apart.")
]
Keep = Annotated[
    str,
    typer.Option(
        help="auto: what the edit did not change are the picture's own pixels, unless it changes all of it; exact: "
        "even then; off: everything as the model drew it."
    ),
]
Strength = Annotated[
    float | None, typer.Option(help="How far the edit goes: 0 is the picture, 1 the method's full edit.")
]
Size = Annotated[
    int | None, typer.Option(help="The working size: the side of a square as large as the picture is edited at.")
]
Clip = Annotated[
    str, typer.Option(help="The CLIP model that scores: a folder or a hub name; default: Diorama's for Diorama.")
]
Reference = Annotated[
    Path | None, typer.Option(help="A picture whose background the edit should have, for methods that use one.")
]
Budget = Annotated[float | None, typer.Option(help="Seconds that a method which optimises may spend on it.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps; default: the best there is.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]


def check_words(target: str, seed: int, budget: float | None = None, size: int | None = None) -> None:
    """Refuses an empty --to, a negative --seed, a --budget of no time and a --size of nothing.

    Raises:
        BadPrompt, BadParameter: naming the option.
    """
    if budget is not None and not budget > 0:
        raise BadParameter(f"--budget is {budget:g}, expected seconds above 0.")
    if not target.strip():
        raise BadPrompt("--to is empty: say what the picture should show.")
    if seed < 0:
        raise BadParameter(f"--seed is {seed}, expected a whole number from 0.")
    check_kept("auto", None, size)


def check_kept(keep: str, strength: float | None, size: int | None = None) -> None:
    """Refuses a --keep that there is not, a --strength outside 0..1, and a --size of nothing.

    Raises:
        BadParameter: saying so.
    """
    from retouch.arguments import check_kept

    check_kept(keep, strength, size)


def described(
    model: str, image: Image.Image, source: str, target: str, needs_source: bool, say: Say, negative: str = ""
) -> str:
    """The source prompt; Diorama says itself what its picture shows where one is missing, and warns of odd words."""
    if model != "diorama":
        return source
    from retouch.diorama.advice import advise, describe

    if not source.strip() and needs_source:
        source = describe(image)
        say(f"no --from was given; the picture is taken to show: {source!r}")
    for sentence in advise(image, source, target, negative):
        say(sentence)
    return source


def model_settings(given: list[str] | None, on_top: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What --set-model says and what is put on top, as arguments of ``Editor.from_pretrained``.

    Raises:
        BadParameter: for a setting that there is not, or a value that it cannot have.
    """
    from retouch.backbone.settings import read_model_settings
    from retouch.parameters import settings_from_text

    said, above = settings_from_text(given or [], "--set-model", "prediction=v"), dict(on_top or {})
    for name in ("prediction", "native"):
        if name in above:
            if name in said:
                raise BadParameter(f"{name} is given by --set-model and by --{name}: leave one of them out.")
            said[name] = str(above.pop(name))
    return read_model_settings(said).given() | above


def read_region(text: str | None, option: str = "--region") -> tuple[float, ...] | str | None:
    """What --region says: four numbers, or a word.

    Args:
        option: what the text was given as.

    Raises:
        BadParameter: for nothing, some other count of numbers, or what is no number.
    """
    if text is None:
        return None
    pieces = text.split(",")
    if len(pieces) == 1 and text.strip() and _number(text) is None:
        return text
    numbers = [_number(piece) for piece in pieces]
    if len(numbers) != 4 or None in numbers:
        raise BadParameter(f"{option} is {text!r}, expected left,top,right,bottom in pixels, or a word.")
    return tuple(number for number in numbers if number is not None)


def _number(text: str) -> float | None:
    """What a text says as a number; None where it says none, or no finite one."""
    from retouch.parameters import number_in

    try:
        return number_in(text) if math.isfinite(number_in(text)) else None
    except ValueError:
        return None


@contextmanager
def going_on_later(checkpoint: Path | None) -> Iterator[None]:
    """Ctrl-C during long work says where the state is kept, and ends with the exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.exists():
            note(f"retouch: interrupted; {checkpoint} keeps what was done: the same command goes on from there.")
        raise typer.Exit(130) from None


def read_fit(path: Path | None, method: str = "", target: str = "") -> Fit | None:
    """A fit from its file; None where none is named.

    Raises:
        BadFit: when it cannot be used, or was made by another method or for another target than are asked for, if any.
    """
    if path is None:
        return None
    from retouch.fit.fitted import Fit
    from retouch.request import check_asked
    from retouch.weights import plain

    fit = Fit.load(path)
    check_asked(fit, method, plain(target))
    return fit


def checkpoint_beside(output: Path) -> Path | None:
    """Where a command that may be killed keeps its state: beside its output, hidden; nowhere beside a stream."""
    from retouch.atomic import hidden_beside

    return None if is_stream(output) else hidden_beside(output, ".checkpoint")


def check_each(
    folder: Path | None, names: Sequence[str], size: tuple[int, int], force: bool, *others: Path | None
) -> None:
    """Refuses, before the work, a folder --each that cannot be made, or pictures that cannot be written into it.

    Args:
        names: of the pictures, without ".png".
        size: theirs (width, height).
        others: the command's other outputs, none of which may be one of these.

    Raises:
        BadParameter, OutputExists: naming what is in the way.
    """
    from retouch.output import check_folder
    from retouch.picture import check_outputs

    if folder is None:
        return
    check_folder(folder, "--each")
    if folder.is_dir():
        files = [folder / f"{name}.png" for name in names]
        check_outputs([*others, *files], force, [None] * len(others) + [size] * len(files))
