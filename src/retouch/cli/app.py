"""The commands of ``retouch`` joined into one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from typer import completion

from retouch.cli import (
    batch,
    bench,
    compare,
    diorama,
    doctor,
    edit,
    fit,
    judge_edits,
    keep,
    mask,
    measures,
    methods,
    models,
    redo,
    report,
    root,
    show,
    speed,
    studio,
    study,
    suites,
    sweep,
)
from retouch.cli.catalogue import epilog, told

if TYPE_CHECKING:
    from retouch.suites.suite import Suite


def _version(show: bool) -> None:
    if show:
        from retouch import __version__

        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Edit real pictures by text with diffusion models."""


def commands(asked: str = "", of: str = "") -> typer.Typer:
    """The command line.

    Args:
        asked: the command that is to be called: what other packages add to it is only looked up then.
        of: the word after it: `bench speed` runs no suite, and has options of its own.
    """
    from retouch.cli.on_top import with_on_top
    from retouch.cli.suite_options import with_options

    app = typer.Typer(
        cls=root.Root,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Edit real pictures by text with diffusion models.",
    )
    app.callback()(_root)
    if root.COMPLETE in os.environ:  # a shell asks what may follow
        completion.completion_init()  # type: ignore[attr-defined]

    def add(name: str, command: Callable[..., None], hidden: bool = False) -> None:
        app.command(name, help=told(command), epilog=epilog(name), hidden=hidden)(command)

    for name, command in _ON_A_MODEL.items():
        add(name, with_on_top(command))
    for name, command in _OTHERS.items():
        add(name, command)
    if (asked, of) == ("bench", "speed"):
        app.add_typer(_timing(), name="bench")
    else:
        add("bench", with_options(with_on_top(bench.bench), _suites() if asked == "bench" else {}))
    add("recipe", show.recipe, hidden=True)  # `show --json` by its first name
    app.add_typer(diorama.app, name="diorama", epilog=epilog("diorama"))
    return app


_ON_A_MODEL: dict[str, Callable[..., None]] = {
    "edit": edit.edit, "batch": batch.batch, "fit": fit.fit, "sweep": sweep.sweep, "compare": compare.compare,
    "mask": mask.mask, "app": studio.studio, "redo": redo.redo, "models": models.models,
}  # fmt: skip
_OTHERS: dict[str, Callable[..., None]] = {
    "keep": keep.keep, "show": show.show, "report": report.report, "study": study.study, "suites": suites.suites,
    "measures": measures.measures, "methods": methods.methods, "doctor": doctor.doctor, "completion": root.completion,
    "judge-edits": judge_edits.judge_edits,
}  # fmt: skip


def _timing() -> typer.Typer:
    app = typer.Typer(help=bench.bench.__doc__)
    app.command("speed", epilog=epilog("bench speed"))(speed.speed)
    return app


def _suites() -> Mapping[str, type[Suite]]:
    from retouch.suites.registry import suites as known

    return known()
