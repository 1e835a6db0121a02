"""``retouch compare``: one edit by several methods, as a contact sheet and a table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar, tell_json, tell_prose, tell_table
from retouch.errors import RetouchError

if TYPE_CHECKING:
    from PIL import Image

    from retouch.explore.clip_score import ClipScorer
    from retouch.explore.compare import Comparison


def compare(
    picture: options.PictureFile,
    target: options.Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the contact sheet.")],
    source: options.Source = "",
    negative: options.Negative = "",
    methods: Annotated[
        str, typer.Option(help="Names separated by commas; tuning-free; or all, which also fits (minutes).")
    ] = "tuning-free",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    mask: options.Mask = None,
    keep: options.Keep = "auto",
    strength: options.Strength = None,
    size: options.Size = None,
    clip: options.Clip = "",
    each: Annotated[Path | None, typer.Option(help="Also write every edit into this folder, as METHOD.png.")] = None,
    columns: Annotated[int, typer.Option(help="Pictures in a row of the sheet.", min=1)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="The table as one JSON object a line.")] = False,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Edit PICTURE by several METHODS that share its inversion, and look at them side by side."""
    _compare(SimpleNamespace(**locals()))


def _compare(asked: SimpleNamespace) -> None:
    """The command; the options by their names."""
    from retouch.picture import check_outputs

    check_outputs((asked.output,), asked.force)
    streams.check_streams({}, picture=asked.picture, mask=asked.mask)
    opened, where = streams.input_picture(asked.picture), streams.input_mask(asked.mask)
    options.check_words(asked.target, asked.seed)
    options.check_kept(asked.keep, asked.strength, asked.size)

    from retouch.explore import compare as explore
    from retouch.parameters import settings_from_text
    from retouch.runs.files import slug
    from retouch.runs.variants import chosen_methods

    names, given = chosen_methods(asked.methods), settings_from_text(asked.settings or [])
    explore.own_settings(names, given)  # refused before anything is loaded
    check_outputs((asked.output,), asked.force, (explore.size_of_sheet(len(names), asked.columns),))
    options.check_each(asked.each, list(map(slug, names)), opened.image.size, asked.force, asked.output)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(
        asked.model, device=asked.device or None, **options.model_settings(asked.set_model, asked.on_top)
    )
    say = (lambda sentence: None) if asked.quiet else note
    source = options.described(asked.model, opened.image, asked.source, asked.target, True, say, asked.negative)
    scorer = _scorer(
        asked.clip or ("diorama" if asked.model in options.EMBEDDED else ""), opened.image, asked.target, say
    )
    with progress_bar("compare", quiet=asked.quiet) as progress:
        comparison = explore.compare(
            editor, opened, source=source or None, target=asked.target, negative_prompt=asked.negative or None,
            methods=names, settings=given, mask=where, keep=asked.keep, strength=asked.strength, size=asked.size,
            seed=asked.seed, scorer=scorer, progress=progress,
        )  # fmt: skip
    for sentence in comparison.notes:
        say(sentence)
    done = _write(comparison, asked.output, asked.each, asked.columns, asked.force)
    _print(comparison, asked.as_json)
    if not done:
        raise RetouchError("no method succeeded, and nothing was written; the reasons are in the table.")
    say(f"{asked.output}: {comparison.shared} network evaluations saved by sharing inversions")


def _scorer(clip: str, image: Image.Image, target: str, say: options.Say) -> ClipScorer | None:
    from retouch.explore.clip_score import ClipScorer

    if not clip:
        say("without --clip there is no CLIP score; name one, for instance --clip openai/clip-vit-large-patch14")
        return None
    scorer = ClipScorer(clip)
    scorer.score(image, target)  # a wrong name is said before the work
    return scorer


def _write(comparison: Comparison, output: Path, each: Path | None, columns: int, force: bool) -> bool:
    """The sheet, and every edit; nothing where no method succeeded."""
    from retouch.picture import write_picture
    from retouch.runs.files import slug

    made = [(row.method, row.result) for row in comparison.rows if row.result]
    if made:
        write_picture(comparison.sheet(columns), output, recipe=comparison.recipe(), force=force)
    if made and each:
        each.mkdir(parents=True, exist_ok=True)
        for method, result in made:
            result.save(each / f"{slug(method)}.png", force=force)
    return bool(made)


def _print(comparison: Comparison, as_json: bool) -> None:
    if as_json:
        for row in comparison.rows:
            tell_json(row.figures())
        return
    from retouch.quantity import DECIBELS, shown

    asked = comparison.input_clip_score
    lines = [] if asked is None else [("(the input)", "", "", f"{asked:.1f}", "", "")]
    for row in comparison.rows:
        if row.result is None:
            continue
        score = "" if row.clip_score is None else f"{row.clip_score:.1f}"
        psnr, ssim = shown(row.psnr, DECIBELS), shown(row.ssim, decimals=3)
        lines.append((row.method, f"{row.seconds:.1f}", str(row.evaluations), score, psnr, ssim))
    tell_table(("method", "seconds", "evaluations", "CLIP score", "PSNR, dB", "SSIM"), lines)
    for row in comparison.rows:
        if row.result is None:
            tell_prose(f"{row.method} failed: {row.error}")
