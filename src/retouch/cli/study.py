"""``retouch study``: people judge the edits of a run on a small web page, and what they said."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retouch.cli import options
from retouch.cli.messages import note, tell, tell_json, tell_table
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.runs.run import Run
    from retouch.study.results import Tally, Verdict


def study(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `retouch bench` wrote.")],
    questions: Annotated[
        str | None, typer.Option(help="preference (which of two edits), rating (1 to 5) or both; default: preference.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="A method to compare with every other; default: all pairs.")
    ] = None,
    per_rater: Annotated[
        int | None, typer.Option(help="Questions for each rater, checks not counted; default: 30.")
    ] = None,
    checks: Annotated[int | None, typer.Option(help="Attention checks for each rater; default: 5.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of questions, order and sides; default: 0.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0 takes a free one.")] = 7861,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name, with its port, by which the page may be visited.")
    ] = None,
    results: Annotated[bool, typer.Option("--results", help="Print what raters said, and serve nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --results: as one JSON object.")] = False,
    plot: Annotated[Path | None, typer.Option(help="With --results: also draw them, as .png.")] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Let people judge the edits of a RUN, blindly, on a web page; --results prints what they said.

    Answers are kept in the run's folder, in study.sqlite; the same command goes on with the study.
    """
    from retouch.runs.run import Run
    from retouch.study.questions import Settings
    from retouch.study.store import FILE

    values = {
        "questions": questions, "compare": compare, "per_rater": per_rater, "checks": checks, "seed": seed,
    }  # fmt: skip
    given = {one.name: values[one.name] for one in fields(Settings) if values[one.name] is not None}
    opened = Run.open(run)
    if results:
        _results(opened, compare or "", as_json, plot, force)
        return
    for option, named in (("--json", as_json), ("--plot", plot)):
        if named:
            raise BadParameter(f"{option} goes with --results: add it, or leave {option} out.")

    from retouch.study.serve import serve

    def ready(address: str) -> None:
        tell(address)
        if not quiet:
            note("raters begin at this address; Ctrl-C ends it, and every answer is kept.")

    answers = serve(opened, given, host, port, ready, allowed=allow_host or ())
    if not quiet:
        note(f"{opened.folder / FILE} holds {answers} answers; see them with --results.")


def _results(run: Run, reference: str, as_json: bool, plot: Path | None, force: bool) -> None:
    from retouch.picture import check_outputs, write_picture
    from retouch.study.plot import drawn
    from retouch.study.results import verdict
    from retouch.study.store import Study

    check_outputs((plot,), force)
    with Study.existing(run) as judged:
        found = verdict(judged, reference=reference)
    if plot:
        write_picture(drawn(found), plot, force=force)
    if as_json:
        tell_json(found.figures())
    else:
        _print(found)


def _print(found: Verdict) -> None:
    said = f"raters: {found.raters}, with all questions answered: {found.finished}"
    tell(said + (f", answers changed: {found.changed}" if found.changed else ""))
    if found.flagged:
        named = ", ".join(f"{one.rater} ({one.failed} of {one.checks} wrong)" for one in found.flagged)
        tell(f"flagged by the checks, and counted: rater{'' if len(found.flagged) == 1 else 's'} {named}")
    _print_tally(found.said)
    if found.without_flagged is not None:
        tell("without the flagged raters:")
        _print_tally(found.without_flagged)


def _print_tally(found: Tally) -> None:
    from retouch.study.questions import ASPECTS

    rows = []
    for pair in found.preferences:
        shown = ("", "") if pair.rate is None else (f"{pair.rate:.1%}", f"{pair.low:.1%} to {pair.high:.1%}")
        rows.append((pair.method, pair.other, *shown, str(pair.n)))
    if rows:
        tell_table(("method", "preferred to", "rate", "95 % interval", "n"), rows)
    rated = []
    for one in found.ratings:
        shown = ("", "") if one.mean is None else (f"{one.mean:.2f}", f"{one.low:.2f} to {one.high:.2f}")
        rated.append((one.method, ASPECTS[one.aspect], *shown, *map(str, one.counts), str(one.n)))
    if rated:
        tell_table(("method", "rated for", "mean", "95 % interval", "1", "2", "3", "4", "5", "n"), rated)
