"""``retouch suites``: what each suite is, what it needs, its options, and what it says of edits itself."""

from __future__ import annotations

from dataclasses import MISSING, asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli.messages import tell, tell_json, tell_prose, tell_table

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
        tell_json([_described(kind) for kind in chosen.values()], indent=2)
    elif name:
        _show(chosen[name])
    else:
        tell_table(("suite", "what it is"), [(kind.name, kind.summary) for kind in chosen.values()])


def _show(kind: type[Suite]) -> None:
    from retouch.suites.registry import options_of

    tell_prose(f"{kind.name}: {kind.summary}")
    if kind.main:
        first = "" if len(kind.main) == 1 else "the first that a run has of "
        tell_prose(f"Reports rank methods by {first}{', '.join(f'`{name}`' for name in kind.main)}.")
    if kind.needs:
        tell_prose(f"needs {kind.needs}")
    options = [
        (f"--{one.name.replace('_', '-')}", "" if one.default is MISSING else str(one.default), one.help)
        for one in options_of(kind)
    ]
    verdicts = [(verdict.name, verdict.unit, verdict.help) for verdict in kind.verdicts]
    for headings, rows in ((("option", "default", "meaning"), options), (("verdict", "unit", "meaning"), verdicts)):
        if rows:
            tell()
            tell_table(headings, rows)
    for method, settings in kind.published.items():
        tell_prose(f"--suite-settings gives {method}: {', '.join(f'{key}={value}' for key, value in settings.items())}")


def _described(kind: type[Suite]) -> dict[str, Any]:
    from retouch.suites.registry import options_of

    return {
        "name": kind.name, "summary": kind.summary, "needs": kind.needs, "main": list(kind.main),
        "options": [
            {"name": one.name, "kind": one.kind, "help": one.help, "required": one.default is MISSING}
            | ({} if one.default is MISSING else {"default": one.default})
            for one in options_of(kind)
        ],
        "verdicts": [asdict(one) for one in kind.verdicts],
        "published": {method: dict(settings) for method, settings in kind.published.items()},
    }  # fmt: skip
