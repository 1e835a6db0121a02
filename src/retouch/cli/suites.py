"""``retouch suites``: what each suite is, what it needs, its options, and what it says of edits itself."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from retouch.suites.suite import Suite


def suites(
    name: Annotated[str, typer.Argument(help="Only this suite, with its options.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the suites that `retouch bench` runs; `retouch suites NAME` shows one with its options."""
    from retouch.suites.registry import suite_type
    from retouch.suites.registry import suites as known

    chosen = {name: suite_type(name)} if name else dict(known())
    if as_json:
        typer.echo(json.dumps([_described(kind) for kind in chosen.values()], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not name:
        table = Table("suite", "what it is", box=None, pad_edge=False)
        for kind in chosen.values():
            table.add_row(kind.name, kind.summary)
        console.print(table)
        return
    for kind in chosen.values():
        _show(kind, console)


def _show(kind: type[Suite], console: Any) -> None:
    from rich.table import Table

    from retouch.suites.registry import options_of

    console.print(f"{kind.name}: {kind.summary}", highlight=False)
    if kind.needs:
        console.print(f"needs {kind.needs}", highlight=False)
    table = Table("option", "default", "meaning", box=None, pad_edge=False)
    for one in options_of(kind):
        table.add_row(f"--{one.name.replace('_', '-')}", "" if one.default is MISSING else str(one.default), one.help)
    if table.row_count:
        console.print()
        console.print(table)
    table = Table("verdict", "unit", "meaning", box=None, pad_edge=False)
    for verdict in kind.verdicts:
        table.add_row(verdict.name, verdict.unit, verdict.help)
    if table.row_count:
        console.print()
        console.print(table)
    for method, settings in kind.published.items():
        values = ", ".join(f"{key}={value}" for key, value in settings.items())
        console.print(f"--suite-settings gives {method}: {values}", highlight=False)


def _described(kind: type[Suite]) -> dict[str, Any]:
    from retouch.suites.registry import options_of

    return {
        "name": kind.name, "summary": kind.summary, "needs": kind.needs,
        "options": [
            {"name": one.name, "kind": one.kind, "help": one.help, "required": one.default is MISSING}
            | ({} if one.default is MISSING else {"default": one.default})
            for one in options_of(kind)
        ],
        "verdicts": [asdict(one) for one in kind.verdicts],
        "published": {method: dict(settings) for method, settings in kind.published.items()},
    }  # fmt: skip
