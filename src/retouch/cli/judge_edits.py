"""``retouch judge-edits``: edits that anybody made, by any means, measured against the pictures they were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retouch.cli import bench_options as of
from retouch.cli import options, streams
from retouch.cli.messages import note, progress_bar, tell, tell_json, tell_prose, tell_table
from retouch.errors import BadParameter


def judge_edits(
    before: Annotated[Path, typer.Option(help="The folder of the pictures as they were.", show_default=False)],
    after: Annotated[
        list[str], typer.Option(help="FOLDER or LABEL=FOLDER: their edits, by the same names; repeatable.")
    ],
    targets: Annotated[
        Path | None, typer.Option(help="A .csv or .jsonl with name, and target, source, instruction, mask or kind.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A run's folder to keep it all in, for `retouch report`.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Edits in a row of every picture: NAME-001, NAME-002, ….", min=1)] = 1,
    measures: of.Measures = "default",
    clip: Annotated[
        str, typer.Option(help="The CLIP model that compares with the targets: a folder or a hub name, or diorama.")
    ] = "",
    dino: of.Dino = "",
    resize: Annotated[bool, typer.Option("--resize", help="Scale edits of other sizes to their picture's.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines, with every picture's values.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure edits that any tool made: whether they follow what was asked, and keep all else.

    Pictures go together by name, whatever their endings. Without --targets nothing is known of what was asked, and
    keeping alone is measured; with masks there, outside of them.
    """
    streams.check_streams({"--before": before, "--output": output, "--targets": targets})
    from retouch.explore.judge import judge_edits as judge

    with progress_bar("measure", quiet=quiet) as progress:
        found = judge(
            before, _labelled(after), targets=targets or "", steps=steps, folder=output,
            measures=of.read_names(measures), clip=clip or None, dino=dino or None, resize=resize,
            say=(lambda _: None) if quiet else note, progress=progress,
        )  # fmt: skip
    if as_json:
        tell_json(found.figures(), indent=2)
    else:
        tell_table(found.headings, found.rows)
        tell()
        tell_prose(found.told())
    if output is not None:
        if steps > 1:
            _write_drift(output)
        if not quiet:
            note(f"see them side by side: retouch report {output}")


def _labelled(texts: list[str]) -> dict[str, Path]:
    """Folders by label; one without a label is called by its own name."""
    found = dict[str, Path]()
    for text in texts:
        label, named, place = text.partition("=")
        label, place = (label.strip(), place.strip()) if named else (Path(text).resolve().name, text.strip())
        if not label or not place:
            raise BadParameter(f"--after is {text!r}, expected FOLDER or LABEL=FOLDER.")
        if label in found:
            raise BadParameter(f"two --after are called {label!r}: give each a label of its own, as LABEL=FOLDER.")
        found[label] = Path(place)
    return found


def _write_drift(output: Path) -> None:
    """The table of edits in a row, and a strip of every picture's, into the run's folder."""
    from retouch.explore.drift import drift_of
    from retouch.runs.run import Run

    drift_of(Run.open(output)).write()
