"""``retouch report``: what came out of one or more runs of a suite, as a page to look at or a table for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import options, streams
from retouch.cli.messages import note, tell_text
from retouch.errors import BadParameter


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders that `retouch bench` wrote.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write it; default: report.html in the first RUN.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="html; or a table as csv, latex or markdown, to stdout without -o.")
    ] = "html",
    measures: Annotated[
        str, typer.Option(help="The measures to show, names separated by commas; default: all there are.")
    ] = "",
    by: Annotated[
        str, typer.Option(metavar="MEASURE", help="What methods are ranked by; default: the suite's main measure.")
    ] = "",
    best_of_seeds: Annotated[
        str, typer.Option(metavar="MEASURE", help="Of a case's seeds count only the best one by this measure.")
    ] = "",
    gallery: Annotated[int, typer.Option(help="How many cases the page's gallery holds at most.", min=0)] = 60,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare the methods of one or more RUNs of a suite: tables, plots and all pictures in one page."""
    from retouch.output import check_place
    from retouch.report import FORMATS, as_text, facts, gather, leaderboard, page, write_text
    from retouch.runs.run import Run

    streams.check_streams({"--output": output})
    if form not in ("html", *FORMATS):
        raise BadParameter(f"--format is {form!r}, expected one of html, {', '.join(FORMATS)}.")
    if output is not None and (form == "html") is not (output.suffix.lower() in (".html", ".htm")):
        fit = "name a .html file, or give --format" if form == "html" else "name another file, or leave --format out"
        raise BadParameter(f"--format is {form} and the output is {str(output)!r}: {fit}.")
    opened = [Run.open(folder) for folder in runs]
    where = output or (opened[0].folder / "report.html" if form == "html" else None)
    if where is not None:
        check_place(where, force)
    names = [name.strip() for name in measures.split(",") if name.strip()]
    gathered = gather(opened, measures=names, best_of_seeds=best_of_seeds.strip(), by=by.strip())
    if form != "html" and not quiet:  # the page says it itself
        for sentence in facts.warnings(gathered):
            note(sentence)
    text = page(gathered, gallery) if form == "html" else as_text(leaderboard(gathered), form)
    if where is None:
        tell_text(text)
        return
    write_text(text, where, force)
    if not quiet:
        size = f", {len(text.encode()) / 2**20:.1f} MiB" if form == "html" else ""
        note(f"{where}: {gathered.made} of {gathered.wanted} edits{size}")
