"""``retouch fit``: the optimisation of a method that optimises, kept in a file for any number of edits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar
from retouch.errors import BadParameter, RetouchError

if TYPE_CHECKING:
    from retouch.fit.fitted import Fit
    from retouch.methods.method import Method


def fit(
    picture: options.PictureFile,
    target: options.Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the fit, a .safetensors file.")],
    save_lora: Annotated[
        Path | None,
        typer.Option(help="Also write the network's part as a LoRA that diffusers loads; with --set adapter_rank=8."),
    ] = None,
    source: options.Source = "",
    negative: options.Negative = "",
    method: Annotated[str, typer.Option(help="imagic or layer-diffusion.")] = "imagic",
    model: options.Model = "diorama",
    set_model: options.SetModel = None,
    on_top: options.OnTop = None,
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
    _check_lora_place(save_lora, output, force or goes_on)
    streams.check_streams({"--save-lora": save_lora}, picture=picture, mask=mask, reference=reference)
    opened, where = streams.input_picture(picture), streams.input_mask(mask)
    behind = None if reference is None else streams.input_picture(reference).image
    options.check_words(target, seed, budget, size)

    from retouch.methods.registry import check_fits, method_type
    from retouch.parameters import read_settings, settings_from_text

    given = settings_from_text(settings or [])
    kind = method_type(method)
    check_fits(kind)
    read_settings(kind, given, method)

    from retouch.editor import Editor

    editor = Editor.from_pretrained(model, device=device or None, **options.model_settings(set_model, on_top))
    _check_rank(save_lora, editor.method_for(method, source or None, target, given))
    say = (lambda sentence: None) if quiet else note
    source = options.described(model, opened.image, source, target, kind.needs_source, say, negative)
    with options.going_on_later(checkpoint), progress_bar(method, quiet=quiet) as progress:
        made = editor.fit(
            opened, target=target, method=method, source=source or None, negative_prompt=negative or None, mask=where,
            reference=behind, size=size, seed=seed, progress=progress, detail=progress.detail, budget=budget,
            checkpoint=checkpoint, **given,
        )  # fmt: skip
    _write(made, output, save_lora, force or goes_on, say)


def _write(made: Fit, output: Path, save_lora: Path | None, force: bool, say: options.Say) -> None:
    for sentence in made.notes:
        say(sentence)
    made.save(output, force=force)  # another process may have written it meanwhile
    if save_lora and made.network:
        made.save_lora(save_lora, force=force)
    _tell(made, output, say)


def _check_lora_place(save_lora: Path | None, output: Path, force: bool) -> None:
    from retouch.output import check_place

    if save_lora is None:
        return
    check_place(save_lora, force, (".safetensors",))
    if save_lora.absolute() == output.absolute():
        raise BadParameter("--output and --save-lora name one file: name two.")


def _check_rank(save_lora: Path | None, method: Method) -> None:
    if save_lora and not getattr(method, "adapter_rank", 0):
        raise BadParameter("--save-lora writes low-rank adapters: fit such, for instance with --set adapter_rank=8.")


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
