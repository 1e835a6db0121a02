"""``retouch redo``: an edit made again from the recipe in its picture, and compared with it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar, tell_json, tell_prose
from retouch.errors import BadPicture

if TYPE_CHECKING:
    from PIL import Image

    from retouch.explore.again import Agreement


def redo(
    made: Annotated[Path, typer.Argument(help="The picture of an edit, with its recipe inside.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write it; default: only say.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="The picture that was edited; default: looked for beside MADE by its name.")
    ] = None,
    mask: options.Mask = None,
    foreground: options.Foreground = None,
    reference: options.Reference = None,
    model: Annotated[str, typer.Option(help="Where the recipe's model is now; default: as it is named there.")] = "",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    as_json: Annotated[bool, typer.Option("--json", help="What agrees, as JSON.")] = False,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Make the edit in MADE again from its recipe, and say whether the pixels agree.

    Exit code 1 when they do not.
    """
    _redo(SimpleNamespace(**locals()))


def _redo(asked: SimpleNamespace) -> None:
    """The command; the options by their names."""
    from retouch.explore import again
    from retouch.picture import check_outputs, read_picture

    streams.check_streams({"MADE": asked.made, "--output": asked.output, "--picture": asked.picture})
    recipe, first = streams.recipe_inside(asked.made), read_picture(asked.made)
    if recipe is None:
        raise BadPicture(f"{asked.made} carries no recipe: edits that retouch wrote do.")
    again.check_repeatable(recipe)
    check_outputs((asked.output,), asked.force, (first.image.size,))
    pictures = _pictures(asked, recipe)
    source = again.found_picture(recipe, asked.picture, asked.made)

    from retouch.editor import Editor

    read_as = {**_recipe_reading(recipe), **options.model_settings(asked.set_model, asked.on_top)}
    name = asked.model or str(recipe.get("model"))
    editor = Editor.from_pretrained(name, device=asked.device or None, **read_as)
    again.check_model(recipe, editor.model)
    with options.going_on_later(None), progress_bar(str(recipe["method"]), quiet=asked.quiet) as progress:
        result = editor.edit(source, progress=progress, detail=progress.detail, **pictures, **again.asked_again(recipe))
    for kind in again.PICTURES:
        if recipe.get(kind) != result.recipe.get(kind):
            raise BadPicture(f"--{kind} is not what the edit was made with: the recipe has another digest of it.")
    if asked.output is not None:
        result.save(asked.output, force=asked.force)
    found = again.agreement(first.image, _as_stored(result.image, asked.made), recipe, result.recipe)
    _tell(found, asked, result.seconds)
    raise typer.Exit(0 if found.same else 1)


def _pictures(asked: SimpleNamespace, recipe: dict[str, Any]) -> dict[str, Any]:
    """Mask, foreground and reference, as far as the recipe has them."""
    from retouch.explore.again import PICTURES, taken

    for name in PICTURES:
        given = getattr(asked, name)
        if name in taken(recipe) and given is None:
            raise BadPicture(f"the edit was made with a {name}, and the recipe has its digest alone: give --{name}.")
        if given is not None and not recipe.get(name):
            raise BadPicture(f"the edit was made without a {name}: leave --{name} out.")
    reference = None if asked.reference is None else streams.input_picture(asked.reference).image
    return {
        "mask": streams.input_mask(asked.mask), "foreground": streams.input_mask(asked.foreground),
        "reference": reference,
    }  # fmt: skip


def _recipe_reading(recipe: dict[str, Any]) -> dict[str, Any]:
    """How the recipe says that the model was read and computed, but for files, which have to be given."""
    from retouch.backbone.settings import read_model_settings

    told = recipe.get("read_as") or {}
    plain = {name: told[name] for name in ("prediction", "zero_snr", "native", "guidance") if name in told}
    kept = {name: told[name] for name in ("clip_skip", "long_prompts") if name in told}
    computed = {"dtype": recipe.get("dtype", "float32")}  # what is said nowhere is at its default
    computed |= {"memory": recipe["memory"]} if recipe.get("memory") else {}
    computed |= {"compile": True} if recipe.get("compiled") else {}
    return read_model_settings(plain).given() | kept | computed


def _as_stored(image: Image.Image, made: Path) -> Image.Image:
    """A picture as the first one's format gives it back: JPEG and WebP store every pixel anew."""
    from retouch.picture import WRITABLE, from_bytes
    from retouch.picture.writing import write_to

    kind = WRITABLE.get(made.suffix.lower(), "PNG")
    if kind == "PNG":
        return image
    file = io.BytesIO()
    write_to(image, file, kind)
    return from_bytes(file.getvalue(), "the edit").image


def _tell(found: Agreement, asked: SimpleNamespace, seconds: float) -> None:
    """Says how the pictures compare."""
    if asked.as_json:
        tell_json(
            {
                "same": found.same, "pixels": found.pixels, "differ": found.differ, "most": found.most,
                "versions": {name: {"then": then, "now": now} for name, then, now in found.versions},
                "output": None if asked.output is None else str(asked.output), "seconds": round(seconds, 2),
            }
        )  # fmt: skip
        return
    if found.same:
        tell_prose(f"the same: all {found.pixels} pixels agree.")
    else:
        tell_prose(
            f"not the same: {found.differ} of {found.pixels} pixels differ ({found.differ / found.pixels:.2%}), by at "
            f"most {found.most} of 255."
        )
    for name, then, now in found.versions:
        tell_prose(f"{name} was {then}, and is {now}.")
    if not found.same and not found.versions:
        tell_prose("The versions are the same: another processor, device or number of threads rounds differently.")
    if asked.output is not None and not asked.quiet:
        note(f"{asked.output}: {seconds:.1f} s")
