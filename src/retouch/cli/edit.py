"""``retouch edit`` and ``retouch recipe``: edit one picture; show how a picture was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options
from retouch.cli.messages import note, progress_bar


def edit(
    picture: options.PictureFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the result (.png keeps the recipe best).")
    ],
    target: options.Target = "",
    source: options.Source = "",
    method: Annotated[str, typer.Option(help="See `retouch methods`; default: prox-npi, or the fit's.")] = "",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    inversion: Annotated[str, typer.Option(help="In place of the method's own; see `retouch methods --parts`.")] = "",
    control: Annotated[str, typer.Option(help="In place of the method's own.")] = "",
    guidance: Annotated[str, typer.Option(help="In place of the method's own.")] = "",
    sampler: Annotated[str, typer.Option(help="In place of the method's own.")] = "",
    mask: options.Mask = None,
    fit: Annotated[
        Path | None, typer.Option(help="What `retouch fit` left for this picture; --to and --method come from it.")
    ] = None,
    reference: options.Reference = None,
    budget: options.Budget = None,
    force: options.Force = False,
    device: options.Device = "",
    strip: Annotated[Path | None, typer.Option(help="Also write input and result side by side.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Edit PICTURE by text: say what it shows (--from) and what it should show (--to)."""
    from retouch.picture import check_outputs, read_mask, read_picture

    check_outputs((output, strip), force)
    opened = read_picture(picture)
    where = None if mask is None else read_mask(mask)
    behind = None if reference is None else read_picture(reference)

    from retouch.methods.registry import method_type, needs_source
    from retouch.parameters import read_settings, settings_from_text

    fitted = None
    if fit is not None:
        from retouch.fit.fitted import Fit

        fitted = Fit.load(fit)
        target, method = target or str(fitted.recipe.get("target")), method or fitted.method
    method = method or "prox-npi"
    options.check_words(target, seed, budget)
    given = settings_from_text(settings or [])
    # refused before anything is loaded; how values go together is judged with what the model recommends
    parts = {"inversion": inversion, "control": control, "guidance": guidance, "sampler": sampler}
    chosen = method_type(method, **{axis: name or None for axis, name in parts.items()})
    read_settings(chosen, given, method)
    if model != "diorama" and chosen.needs_source and not source.strip():
        raise needs_source(chosen.name)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model))
    say = (lambda sentence: None) if quiet else note
    source = options.described(model, opened.image, source, target, chosen.needs_source, say)
    checkpoint = options.checkpoint_beside(output) if chosen.optimises and fitted is None else None
    with options.going_on_later(checkpoint), progress_bar(f"{chosen.name}", quiet=quiet) as progress:
        result = editor.edit(
            opened,
            source=source or None,
            target=target,
            method=method,
            inversion=inversion or None,
            control=control or None,
            guidance=guidance or None,
            sampler=sampler or None,
            mask=where,
            reference=None if behind is None else behind.image,
            seed=seed,
            progress=progress,
            detail=progress.detail,
            fit=fitted,
            budget=budget,
            checkpoint=checkpoint,
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
