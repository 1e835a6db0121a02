"""The commands of ``retouch`` joined into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import (
    batch,
    bench,
    compare,
    diorama,
    edit,
    fit,
    keep,
    mask,
    measures,
    methods,
    models,
    report,
    speed,
    studio,
    study,
    suites,
    sweep,
)

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
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Edit real pictures by text with diffusion models.",
    )
    app.callback()(_root)
    app.command("edit")(with_on_top(edit.edit))
    app.command("fit")(with_on_top(fit.fit))
    app.command("sweep")(with_on_top(sweep.sweep))
    app.command("keep")(keep.keep)
    app.command("mask")(with_on_top(mask.mask))
    app.command("compare")(with_on_top(compare.compare))
    app.command("batch")(with_on_top(batch.batch))
    if (asked, of) == ("bench", "speed"):
        app.add_typer(_timing(), name="bench")
    else:
        app.command("bench")(with_options(with_on_top(bench.bench), _suites() if asked == "bench" else {}))
    app.command("report")(report.report)
    app.command("study")(study.study)
    app.command("app")(with_on_top(studio.studio))
    app.command("methods")(methods.methods)
    app.command("suites")(suites.suites)
    app.command("measures")(measures.measures)
    app.command("models")(with_on_top(models.models))
    app.command("recipe")(edit.recipe)
    app.add_typer(diorama.app, name="diorama")
    return app


def _timing() -> typer.Typer:
    app = typer.Typer(help=bench.bench.__doc__)
    app.command("speed")(speed.speed)
    return app


def _suites() -> Mapping[str, type[Suite]]:
    from retouch.suites.registry import suites as known

    return known()
