"""``retouch measures``: what `retouch bench` can measure, and which way each is better."""

from __future__ import annotations

from typing import Annotated

import typer

from retouch.cli.messages import tell, tell_json, tell_prose, tell_table


def measures(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the measures, and the groups they go in; suites say more of edits themselves, see `retouch suites NAME`."""
    from retouch.measures.measure import SetMeasure
    from retouch.measures.registry import ALL, every, groups
    from retouch.quantity import spoken

    if as_json:
        listed = [
            {
                "name": one.name, "title": one.title, "unit": one.unit, "better": one.better, "help": one.help,
                "of": "all edits" if isinstance(one, SetMeasure) else "an edit",
                "groups": [*one.groups, ALL],
            }
            for one in every().values()
        ]  # fmt: skip
        tell_json(listed, indent=2)
        return
    rows = [(one.name, one.unit, spoken(one.better), one.help) for one in every().values()]
    tell_table(("measure", "unit", "better", "meaning"), rows)
    tell()
    for group in groups():
        inside = [one.name for one in every().values() if group in one.groups]
        tell_prose(f"{group}: {', '.join(inside) or 'every one of them'}")
