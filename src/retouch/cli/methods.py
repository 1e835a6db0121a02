"""``retouch methods``: what each method is good for, its parameters with ranges and defaults."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer


def methods(
    name: Annotated[str, typer.Argument(help="Only this method, with all of its parameters.")] = "",
    parts: Annotated[
        bool, typer.Option("--parts", help="The inversions, controls, guidances and samplers to combine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the methods; `retouch methods NAME` shows one with its parameters."""
    if parts:
        _show_parts(as_json)
        return
    from retouch.backbone.load import EMBEDDED_FOLDER
    from retouch.backbone.recommended import read_recommended
    from retouch.methods.registry import method_type
    from retouch.methods.registry import methods as known
    from retouch.parameters import parameters_of

    chosen = {name: method_type(name)} if name else dict(known())
    if as_json:
        typer.echo(json.dumps([_described(method) for method in chosen.values()], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not name:
        table = Table("method", "good for", "evaluations", "needs --from", box=None, pad_edge=False)
        for method in chosen.values():
            needs = "yes" if method.needs_source else "no"
            table.add_row(method.name, method.good_for, str(method().evaluations()), needs)
        console.print(table)
        console.print("\n`retouch methods NAME` lists a method's parameters; set one with --set name=value.")
        return
    for method in chosen.values():
        console.print(f"{method.name}: {method.title} ({method.paper})\n{method.good_for}\n", highlight=False)
        diorama = read_recommended(EMBEDDED_FOLDER)
        recommended = diorama.settings.get(method.name, {})
        table = Table("parameter", "default", "range", "meaning", box=None, pad_edge=False)
        for p in parameters_of(method):
            default = _shown(p.default)
            if p.name in recommended:
                default += f" (diorama: {_shown(recommended[p.name])})"
            table.add_row(p.name, default, f"{p.range()} {p.unit}".strip(), p.help)
        console.print(table)
        if composed := getattr(method, "parts", None):
            console.print(f"\nmade of: {' × '.join(composed.values())} (`retouch methods --parts`)", highlight=False)
        for rule in diorama.when_changed:
            if method.name in rule.settings:
                values = ", ".join(f"{key} {_shown(value)}" for key, value in rule.settings[method.name].items())
                console.print(f"diorama, where {' or '.join(sorted(rule.words))} comes or goes: {values}")


def _show_parts(as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from retouch.methods.catalogue import parts
    from retouch.parameters import parameters_of

    if as_json:
        listed = {
            axis: [
                {"name": name, "summary": part.summary, "parameters": [asdict(p) for p in parameters_of(part)]}
                for name, part in choices.items()
            ]
            for axis, choices in parts().items()
        }
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    console = Console()
    for axis, choices in parts().items():
        table = Table(f"--{axis}", "what it does", "parameters", box=None, pad_edge=False)
        for name, part in choices.items():
            table.add_row(name, part.summary, ", ".join(p.name for p in parameters_of(part)))
        console.print(table)
        console.print()
    console.print("Guiders go on top of another guidance, as in --guidance proximal+guiders. A method brings its own")
    console.print("parts; each option replaces one, as in --method masactrl --inversion null-text.")


def _shown(default: Any) -> str:
    return "none" if default in (None, "") else str(default).lower() if isinstance(default, bool) else str(default)


def _described(method: Any) -> dict[str, Any]:
    from retouch.backbone.load import EMBEDDED_FOLDER
    from retouch.backbone.recommended import read_recommended
    from retouch.parameters import parameters_of

    diorama = read_recommended(EMBEDDED_FOLDER)
    return {
        "name": method.name, "title": method.title, "paper": method.paper, "good_for": method.good_for,
        "needs_source": method.needs_source, "parts": getattr(method, "parts", None),
        "evaluations": method().evaluations(),
        "recommended": {"diorama": diorama.settings.get(method.name, {})},
        "recommended_when_changed": {
            "diorama": [
                {"words": sorted(rule.words), "settings": rule.settings[method.name]}
                for rule in diorama.when_changed
                if method.name in rule.settings
            ]
        },
        "parameters": [{**asdict(p), "range": p.range()} for p in parameters_of(method)],
    }  # fmt: skip
