"""``retouch measures``: what `retouch bench` can measure, and which way each is better."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def measures(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the measures, and the groups they go in; suites say more of edits themselves, see `retouch suites NAME`."""
    from retouch.measures.measure import SetMeasure
    from retouch.measures.registry import ALL, every, groups

    if as_json:
        listed = [
            {
                "name": one.name, "title": one.title, "unit": one.unit, "better": one.better, "help": one.help,
                "of": "all edits" if isinstance(one, SetMeasure) else "an edit",
                "groups": [*one.groups, ALL],
            }
            for one in every().values()
        ]  # fmt: skip
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    console, table = Console(), Table("measure", "unit", "better", "meaning", box=None, pad_edge=False)
    for one in every().values():
        table.add_row(one.name, one.unit, "near 0" if one.better == "zero" else one.better, one.help)
    console.print(table)
    console.print()
    for group in groups():
        inside = [one.name for one in every().values() if group in one.groups]
        console.print(f"{group}: {', '.join(inside) or 'every one of them'}", highlight=False)
