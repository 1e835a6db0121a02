"""The commands of ``retouch`` joined into one."""

from __future__ import annotations

from typing import Annotated

import typer

from retouch.cli import bench, compare, diorama, edit, fit, mask, methods, models, report, study, sweep

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Edit real pictures by text with diffusion models.",
)
app.command("edit")(edit.edit)
app.command("fit")(fit.fit)
app.command("sweep")(sweep.sweep)
app.command("mask")(mask.mask)
app.command("compare")(compare.compare)
app.command("bench")(bench.bench)
app.command("report")(report.report)
app.command("study")(study.study)
app.command("methods")(methods.methods)
app.command("models")(models.models)
app.command("recipe")(edit.recipe)
app.add_typer(diorama.app, name="diorama")


def _version(show: bool) -> None:
    if show:
        from retouch import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Edit real pictures by text with diffusion models."""
