"""``retouch edit``: edit one picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli import options, streams
from retouch.cli.candidates import check_candidates, write_candidates
from retouch.cli.messages import note, progress_bar
from retouch.errors import BadParameter

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
    method: Annotated[str, typer.Option(help="See `retouch methods`; default: auto, or the fit's.")] = "",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    inversion: options.Part = "",
    control: options.Part = "",
    guidance: options.Part = "",
    sampler: options.Part = "",
    mask: options.Mask = None,
    foreground: options.Foreground = None,
    region: Annotated[
        str | None, typer.Option(help="Where it may happen: left,top,right,bottom in pixels, or a word.")
    ] = None,
    context: Annotated[float, typer.Option(help="How much around mask or region is seen, in their sides.")] = 0.5,
    keep: options.Keep = "auto",
    strength: options.Strength = None,
    size: options.Size = None,
    upscaler: Annotated[
        str,
        typer.Option(help="What is drawn anew in a large picture is enlarged by this model, a folder or a hub name."),
    ] = "",
    changed: Annotated[Path | None, typer.Option(help="Also write where the edit is: white.")] = None,
    fit: Annotated[Path | None, typer.Option(help="What `retouch fit` left; --to and --method come from it.")] = None,
    reference: options.Reference = None,
    budget: options.Budget = None,
    clip: Annotated[str, typer.Option(help="The CLIP model by which auto verifies: a folder or a hub name.")] = "",
    candidates: Annotated[int | None, typer.Option(help="A sheet of so many of the edits that auto tries.")] = None,
    force: options.Force = False,
    device: options.Device = "",
    strip: Annotated[Path | None, typer.Option(help="Also write input and result side by side.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Edit PICTURE by text: say what it shows (--from) and what it should show (--to)."""
    _edit(SimpleNamespace(**locals()))


def _edit(asked: SimpleNamespace) -> None:
    """The command; the options by their names."""
    streams.check_streams(
        {"--strip": asked.strip, "--fit": asked.fit, "--changed": asked.changed}, picture=asked.picture,
        mask=asked.mask, reference=asked.reference, foreground=asked.foreground,
    )  # fmt: skip
    say = (lambda sentence: None) if asked.quiet else note
    with streams.picture_stream(asked.output):
        opened = streams.input_picture(asked.picture)
        mask, foreground = streams.input_mask(asked.mask), streams.input_mask(asked.foreground)
        reference = None if asked.reference is None else streams.input_picture(asked.reference).image
        _check_outputs(opened, asked.output, asked.strip, asked.changed, asked.force)

        fit = options.read_fit(asked.fit, asked.method, asked.target)
        target = asked.target or (str(fit.recipe["target"]) if fit else "")
        method = asked.method or (fit.method if fit else "")
        options.check_words(target, asked.seed, asked.budget)
        options.check_kept(asked.keep, asked.strength, asked.size)
        region, parts = options.read_region(asked.region), ("inversion", "control", "guidance", "sampler")
        named = {axis: getattr(asked, axis) for axis in parts if getattr(asked, axis)}
        chosen, given = _chosen(
            method, named, asked.settings, asked.clip, asked.model, asked.source,
            asked.strength,
        )  # fmt: skip
        if asked.candidates is not None:
            check_candidates(asked, chosen)

        from retouch.editor import Editor

        read_as = options.model_settings(asked.set_model, asked.on_top)
        editor = Editor.from_pretrained(asked.model, device=asked.device or None, **read_as)
        source = options.described(
            asked.model, opened.image, asked.source, target, chosen.needs_source, say, asked.negative
        )
        checkpoint = options.checkpoint_beside(asked.output) if chosen.optimises and fit is None else None
        given |= {
            "source": source or None, "target": target, "negative_prompt": asked.negative or None, "mask": mask,
            "region": region, "context": asked.context, "keep": asked.keep, "seed": asked.seed, "size": asked.size,
            **({} if asked.strength is None else {"strength": asked.strength}),
        }  # fmt: skip
        with options.going_on_later(checkpoint), progress_bar(chosen.name, quiet=asked.quiet) as progress:
            given |= {"progress": progress, "detail": progress.detail}
            if asked.candidates is not None:
                found = editor.candidates(opened, asked.candidates, **given)
                write_candidates(opened, found, asked.output, asked.force, say)
                return
            result = editor.edit(
                opened, method=method or None, foreground=foreground, reference=reference, fit=fit,
                budget=asked.budget, checkpoint=checkpoint, upscaler=asked.upscaler or None, **given,
            )  # fmt: skip
    _tell(result, opened, asked.output, asked.strip, asked.changed, asked.force, say)


def _tell(
    result: EditResult, opened: Picture, output: Path, strip: Path | None, changed: Path | None, force: bool,
    say: options.Say,
) -> None:  # fmt: skip
    """Writes what came out, and says what is to be said of it."""
    for sentence in result.notes:
        say(sentence)
    _write(result, opened, output, strip, changed, force)
    if result.untouched and not streams.is_stream(output) and output.suffix.lower() != ".png":
        say(f"{output}: this format stores every pixel anew; write a .png to keep them exactly.")
    untouched = "" if result.untouched is None else f"; {result.untouched:.1%} of the pixels are untouched"
    say(f"{streams.name_of(output)}: {result.seconds:.1f} s, {result.evaluations} network evaluations{untouched}")


def _write(
    result: EditResult, opened: Picture, output: Path, strip: Path | None, changed: Path | None, force: bool
) -> None:
    if streams.is_stream(output):
        streams.output_picture(result.image, output, recipe=result.recipe)
    else:
        result.save(output, force=force)
    if strip:
        from retouch.picture import side_by_side, write_picture

        write_picture(side_by_side([opened.image, result.image]), strip, recipe=result.recipe, force=force)
    if changed:
        from PIL import Image

        from retouch.picture import write_picture

        shown = result.changed or Image.new("L", result.image.size, 255)
        write_picture(shown, changed, recipe=result.recipe, force=force)


def _check_outputs(opened: Picture, output: Path, strip: Path | None, changed: Path | None, force: bool) -> None:
    from retouch.picture import check_outputs
    from retouch.sheet import row_size

    size = opened.image.size
    written = (None if streams.is_stream(output) else output, strip, changed)
    check_outputs(written, force, (size, row_size([size, size]), size))


def _chosen(
    method: str, parts: Mapping[str, str], settings: list[str] | None, clip: str, model: str, source: str,
    strength: float | None,
) -> tuple[type[Method], dict[str, Any]]:  # fmt: skip
    """The method, and its parts and settings; what is wrong with these is said before anything is loaded.

    How values go together is judged later, with what the model recommends.
    """
    from retouch.methods.registry import needs_source
    from retouch.parameters import settings_from_text
    from retouch.request import AUTO
    from retouch.runs.variants import method_asked

    if strength is not None and "strength" in settings_from_text(settings or []):
        raise BadParameter("strength is given by --set and by --strength: leave one of them out.")
    chosen, name, given = method_asked(method, parts, settings_from_text(settings or []))
    if clip and name != AUTO:
        raise BadParameter(f"--clip verifies what auto chooses, and the method is {name}: leave it out.")
    if model != "diorama" and chosen.needs_source and not source.strip():
        raise needs_source(chosen.name)
    return chosen, {**parts, **given, **({"clip": clip} if clip else {})}
