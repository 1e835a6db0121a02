"""``retouch fit``: the optimisation of a method that optimises, kept in a file for any number of edits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar
from retouch.errors import RetouchError

if TYPE_CHECKING:
    from retouch.fit.fitted import Fit


def fit(
    picture: options.PictureFile,
    target: options.Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the fit, a .safetensors file.")],
    source: options.Source = "",
    negative: options.Negative = "",
    method: Annotated[str, typer.Option(help="imagic or layer-diffusion.")] = "imagic",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    mask: options.Mask = None,
    reference: options.Reference = None,
    size: options.Size = None,
    budget: options.Budget = None,
    force: options.Force = False,
    device: options.Device = "",
    quiet: options.Quiet = False,
) -> None:
    """Fit a model to PICTURE and the text of the edit; `retouch edit --fit` and `retouch sweep` use the result.

    Killed or interrupted, the same command goes on where it was. Ctrl-C also writes what was fitted until then.
    """
    from retouch.output import check_place

    checkpoint = options.checkpoint_beside(output)
    goes_on = checkpoint is not None and _there(output) and _there(checkpoint)  # an interrupted fit left both
    check_place(output, force or goes_on, (".safetensors",))
    streams.check_streams({}, picture=picture, mask=mask, reference=reference)
    opened, where = streams.input_picture(picture), streams.input_mask(mask)
    behind = None if reference is None else streams.input_picture(reference).image
    options.check_words(target, seed, budget)

    from retouch.methods.registry import check_fits, method_type
    from retouch.parameters import read_settings, settings_from_text

    given = settings_from_text(settings or [])
    kind = method_type(method)
    check_fits(kind)
    read_settings(kind, given, method)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model))
    say = (lambda sentence: None) if quiet else note
    source = options.described(model, opened.image, source, target, kind.needs_source, say, negative)
    with options.going_on_later(checkpoint), progress_bar(method, quiet=quiet) as progress:
        made = editor.fit(
            opened, target=target, method=method, source=source or None, negative_prompt=negative or None, mask=where,
            reference=behind, size=size, seed=seed, progress=progress, detail=progress.detail, budget=budget,
            checkpoint=checkpoint, **given,
        )  # fmt: skip
    for sentence in made.notes:
        say(sentence)
    made.save(output, force=force or goes_on)  # another process may have written it meanwhile
    _tell(made, output, say)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no possible name, which is said next
        return False


def _tell(made: Fit, output: Path, say: options.Say) -> None:
    """How far the fit came; the exit code says whether it ended well."""
    taken = ", ".join(f"{count} steps of the {stage}" for stage, count in made.steps.items())
    if made.stopped == "diverged":
        raise RetouchError(f"{made.message} {output} holds that state.")
    say(f"{output}: {taken or 'nothing was optimised'}")
    if made.stopped:
        say(made.message)
    if made.stopped == "interrupted":
        say("the same command goes on from there.")
        raise typer.Exit(130)
