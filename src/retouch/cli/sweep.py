"""``retouch sweep``: many samples from one fit, to choose from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar, tell_json
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.explore.sweep import Sweep


def sweep(
    picture: options.PictureFile,
    fit: Annotated[Path, typer.Option(help="What `retouch fit` left for this picture.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the contact sheet.")],
    etas: Annotated[
        str, typer.Option(help="Values of η, as 0.5,0.7,0.9 or FROM:TO:COUNT; for methods that have it.")
    ] = "",
    seeds: Annotated[int, typer.Option(help="How many seeds for each value.", min=1, max=256)] = 4,
    seed: Annotated[int, typer.Option(help="The first of the seeds.")] = 0,
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    negative: options.Negative = "",
    settings: options.Settings = None,
    mask: options.Mask = None,
    keep: options.Keep = "auto",
    strength: options.Strength = None,
    size: options.Size = None,
    clip: options.Clip = "",
    curve: Annotated[Path | None, typer.Option(help="Also draw CLIP score and likeness against η, as .png.")] = None,
    best: Annotated[Path | None, typer.Option(help="Also write the sample with the best CLIP score.")] = None,
    each: Annotated[Path | None, typer.Option(help="Also write every sample into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object a line.")] = False,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Sample from a FIT at several η and seeds, in batches: a contact sheet, the best by CLIP score, a curve."""
    _sweep(SimpleNamespace(**locals()))


def _sweep(asked: SimpleNamespace) -> None:
    """The command; the options by their names."""
    from retouch.picture import check_outputs

    check_outputs((asked.output, asked.curve, asked.best), asked.force)
    streams.check_streams({"--fit": asked.fit}, picture=asked.picture, mask=asked.mask)
    opened, where = streams.input_picture(asked.picture), streams.input_mask(asked.mask)
    options.check_words("-", asked.seed)
    options.check_kept(asked.keep, asked.strength, asked.size)

    from retouch.explore.sweep import names_of, read_etas, run_sweep, size_of_sheet
    from retouch.fit.fitted import Fit
    from retouch.methods.registry import method_type
    from retouch.parameters import read_settings, settings_from_text

    made, clip = Fit.load(asked.fit), asked.clip or ("diorama" if asked.model in options.EMBEDDED else "")
    kind, chosen = method_type(made.method), range(asked.seed, asked.seed + asked.seeds)
    given = read_settings(kind, settings_from_text(asked.settings or []), made.method)
    values = read_etas(asked.etas, kind)
    size = opened.image.size
    check_outputs((asked.output, asked.curve, asked.best), asked.force, (size_of_sheet(values, chosen), None, size))
    options.check_each(asked.each, names_of(values, chosen), size, asked.force, asked.output, asked.curve, asked.best)
    _check_figures(made.method, values is not None, clip, asked.curve, asked.best)

    from retouch.editor import Editor
    from retouch.explore.clip_score import ClipScorer

    editor = Editor.from_pretrained(
        asked.model, device=asked.device or None, **options.model_settings(asked.set_model, asked.on_top)
    )
    with progress_bar("sweep", quiet=asked.quiet) as progress:
        swept = run_sweep(
            editor, opened, made, etas=values, seeds=chosen, negative_prompt=asked.negative or None, mask=where,
            keep=asked.keep, strength=asked.strength, size=asked.size, scorer=ClipScorer(clip) if clip else None,
            settings=given, progress=progress,
        )  # fmt: skip
    _write(swept, asked.output, asked.curve, asked.best, asked.each, asked.force)
    for sample in swept.samples if asked.as_json else ():
        tell_json(sample.figures())
    if clip and not asked.quiet:
        note(f"the best by CLIP score is {swept.best.name}: {swept.best.clip_score:.1f}")


def _check_figures(method: str, has_etas: bool, clip: str, curve: Path | None, best: Path | None) -> None:
    if curve and not has_etas:
        raise BadParameter(f"--curve draws against η, and {method} has none: leave it out.")
    if not clip and (best or curve):
        raise BadParameter("--best and --curve need a CLIP model: name one, as --clip openai/clip-vit-large-patch14.")


def _write(swept: Sweep, output: Path, curve: Path | None, best: Path | None, each: Path | None, force: bool) -> None:
    from retouch.picture import write_picture

    write_picture(swept.sheet(), output, recipe=swept.recipe(), force=force)
    if curve:
        write_picture(swept.curve(), curve, force=force)
    if best:
        swept.best.result.save(best, force=force)
    if each:
        each.mkdir(parents=True, exist_ok=True)
        for sample in swept.samples:
            sample.result.save(each / f"{sample.name}.png", force=force)
