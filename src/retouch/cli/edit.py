"""``retouch edit`` and ``retouch recipe``: edit one picture; show how a picture was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli.messages import note, progress_bar
from retouch.errors import BadParameter, BadPrompt


def edit(
    picture: Annotated[Path, typer.Argument(help="The picture: PNG, JPEG or WebP, any size.")],
    target: Annotated[str, typer.Option("--to", help="What the picture should show.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the result (.png keeps the recipe best).")
    ],
    source: Annotated[str, typer.Option("--from", help="What the picture shows now.")] = "",
    method: Annotated[str, typer.Option(help="See `retouch methods`.")] = "prox-npi",
    model: Annotated[
        str, typer.Option(help="'diorama', a diffusers folder, a hub name or a .safetensors file.")
    ] = "diorama",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as name=value.")
    ] = None,
    inversion: Annotated[str, typer.Option(help="In place of the method's own; see `retouch methods --parts`.")] = "",
    control: Annotated[str, typer.Option(help="In place of the method's own.")] = "",
    guidance: Annotated[str, typer.Option(help="In place of the method's own.")] = "",
    mask: Annotated[Path | None, typer.Option(help="A picture: white where the edit may happen.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps; default: the best there is.")] = "",
    strip: Annotated[Path | None, typer.Option(help="Also write input and result side by side.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")] = False,
) -> None:
    """Edit PICTURE by text: say what it shows (--from) and what it should show (--to)."""
    from retouch.picture import check_outputs, read_mask, read_picture

    check_outputs((output, strip), force)
    opened = read_picture(picture)
    where = None if mask is None else read_mask(mask)
    if not target.strip():
        raise BadPrompt("--to is empty: say what the picture should show.")

    from retouch.methods.registry import method_named, needs_source
    from retouch.parameters import settings_from_text

    given = settings_from_text(settings or [])
    # refused before anything is loaded
    chosen = method_named(
        method, given, inversion=inversion or None, control=control or None, guidance=guidance or None
    )
    if seed < 0:
        raise BadParameter(f"--seed is {seed}, expected a whole number from 0.")

    if model != "diorama" and chosen.needs_source and not source.strip():
        raise needs_source(chosen.name)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(model, device=device or None)
    say = (lambda sentence: None) if quiet else note
    if model == "diorama":
        from retouch.diorama.advice import advise, describe

        if not source.strip() and chosen.needs_source:
            source = describe(opened.image)
            say(f"no --from was given; the picture is taken to show: {source!r}")
        for sentence in advise(opened.image, source, target):
            say(sentence)
    with progress_bar(f"{chosen.name}", quiet=quiet) as progress:
        result = editor.edit(
            opened,
            source=source or None,
            target=target,
            method=method,
            inversion=inversion or None,
            control=control or None,
            guidance=guidance or None,
            mask=where,
            seed=seed,
            progress=progress,
            **given,  # type: ignore[arg-type]
        )
    for sentence in result.notes:
        say(sentence)
    result.save(output, force=force)
    if strip:
        from retouch.picture import side_by_side, write_picture

        write_picture(side_by_side([opened.image, result.image]), strip, recipe=result.recipe, force=force)
    say(f"{output}: {result.seconds:.1f} s, {result.evaluations} network evaluations")


def recipe(
    picture: Annotated[Path, typer.Argument(help="A picture that retouch wrote.")],
) -> None:
    """Show how PICTURE was made, as JSON."""
    import json

    from retouch.errors import BadPicture
    from retouch.picture import read_recipe

    found = read_recipe(picture)
    if found is None:
        raise BadPicture(f"{picture} carries no recipe: only pictures that retouch wrote do.")
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
