"""``retouch edit`` and ``retouch recipe``: edit one picture; show how a picture was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar, tell_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retouch.methods.method import Method
    from retouch.picture import Picture
    from retouch.result import EditResult


def edit(
    picture: options.PictureFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the result; - for stdout, as PNG.")],
    target: options.Target = "",
    source: options.Source = "",
    negative: options.Negative = "",
    method: Annotated[str, typer.Option(help="See `retouch methods`; default: prox-npi, or the fit's.")] = "",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    inversion: options.Part = "",
    control: options.Part = "",
    guidance: options.Part = "",
    sampler: options.Part = "",
    mask: options.Mask = None,
    fit: Annotated[Path | None, typer.Option(help="What `retouch fit` left; --to and --method come from it.")] = None,
    reference: options.Reference = None,
    budget: options.Budget = None,
    force: options.Force = False,
    device: options.Device = "",
    strip: Annotated[Path | None, typer.Option(help="Also write input and result side by side.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Edit PICTURE by text: say what it shows (--from) and what it should show (--to)."""
    streams.check_streams({"--strip": strip, "--fit": fit}, picture=picture, mask=mask, reference=reference)
    with streams.picture_stream(output):
        opened, where = streams.input_picture(picture), streams.input_mask(mask)
        behind = None if reference is None else streams.input_picture(reference).image
        _check_outputs(opened, output, strip, force)

        from retouch.parameters import settings_from_text

        fitted = options.read_fit(fit, method, target)
        if fitted is not None:
            target, method = target or str(fitted.recipe["target"]), method or fitted.method
        method = method or "prox-npi"
        options.check_words(target, seed, budget)
        given = settings_from_text(settings or [])
        parts = {"inversion": inversion, "control": control, "guidance": guidance, "sampler": sampler}
        named = {axis: name or None for axis, name in parts.items()}
        chosen = _chosen(method, named, given, model, source)

        from retouch.editor import Editor

        editor = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model))
        say = (lambda sentence: None) if quiet else note
        source = options.described(model, opened.image, source, target, chosen.needs_source, say, negative)
        checkpoint = options.checkpoint_beside(output) if chosen.optimises and fitted is None else None
        with options.going_on_later(checkpoint), progress_bar(chosen.name, quiet=quiet) as progress:
            result = editor.edit(
                opened, source=source or None, target=target, negative_prompt=negative or None, method=method,
                mask=where, reference=behind, seed=seed, progress=progress, detail=progress.detail, fit=fitted,
                budget=budget, checkpoint=checkpoint, **named, **given,  # type: ignore[arg-type]
            )  # fmt: skip
    for sentence in result.notes:
        say(sentence)
    _write(result, opened, output, strip, force)
    say(f"{streams.name_of(output)}: {result.seconds:.1f} s, {result.evaluations} network evaluations")


def _write(result: EditResult, opened: Picture, output: Path, strip: Path | None, force: bool) -> None:
    if streams.is_stream(output):
        streams.output_picture(result.image, output, recipe=result.recipe)
    else:
        result.save(output, force=force)
    if strip:
        from retouch.picture import side_by_side, write_picture

        write_picture(side_by_side([opened.image, result.image]), strip, recipe=result.recipe, force=force)


def _check_outputs(opened: Picture, output: Path, strip: Path | None, force: bool) -> None:
    from retouch.picture import check_outputs
    from retouch.sheet import row_size

    size = opened.image.size
    check_outputs((None if streams.is_stream(output) else output, strip), force, (size, row_size([size, size])))


def _chosen(
    method: str, parts: Mapping[str, str | None], settings: Mapping[str, str], model: str, source: str
) -> type[Method]:
    """The method; what is wrong with its name, parts or settings is said before anything is loaded.

    How values go together is judged later, with what the model recommends.
    """
    from retouch.methods.registry import method_type, needs_source
    from retouch.parameters import read_settings

    chosen = method_type(method, **parts)
    read_settings(chosen, settings, method)
    if model != "diorama" and chosen.needs_source and not source.strip():
        raise needs_source(chosen.name)
    return chosen


def recipe(
    picture: Annotated[Path, typer.Argument(help="A picture that retouch wrote; - for stdin.")],
) -> None:
    """Show how PICTURE was made, as JSON."""
    from retouch.errors import BadPicture

    found = streams.recipe_inside(picture)
    if found is None:
        raise BadPicture(f"{picture} carries no recipe: edits, sheets of them and painted pictures do.")
    tell_json(found, indent=2)
