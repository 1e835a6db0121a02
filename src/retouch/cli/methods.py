"""``retouch methods``: what each method is good for, its parameters with ranges and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retouch.cli.messages import tell, tell_json, tell_prose, tell_table

if TYPE_CHECKING:
    from retouch.backbone.recommended import Recommended
    from retouch.backbone.rungs import Rung
    from retouch.methods.method import Method


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
    from retouch.auto.kind import kind_named
    from retouch.methods.registry import methods as known

    chosen = {name: kind_named(name)} if name else dict(known())
    if as_json:
        tell_json([_described(method) for method in chosen.values()], indent=2)
    elif name:
        _show(chosen[name])
    else:
        rows = [
            (one.name, one.good_for, str(one().evaluations()), "yes" if one.needs_source else "no")
            for one in chosen.values()
        ]
        tell_table(("method", "good for", "evaluations", "needs --from"), rows)
        tell()
        tell_prose(
            "Where no method is named, auto tries several, the cheapest first, until CLIP sees the change: `retouch "
            "methods auto`."
        )
        tell_prose("`retouch methods NAME` lists a method's parameters; set one with --set name=value.")


def _show(method: type[Method]) -> None:
    from retouch.backbone.load import EMBEDDED_FOLDER
    from retouch.backbone.recommended import read_recommended
    from retouch.methods.composition import Composed
    from retouch.parameters import parameters_of
    from retouch.request import AUTO

    diorama = read_recommended(EMBEDDED_FOLDER)
    recommended = diorama.settings.get(method.name, {})
    tell_prose(f"{method.name}: {method.title} ({method.paper})")
    tell_prose(method.good_for)
    tell()
    rows = []
    for p in parameters_of(method):
        more = f" (diorama: {_shown(recommended[p.name])})" if p.name in recommended else ""
        rows.append((p.name, _shown(p.default) + more, f"{p.range()} {p.unit}".strip(), p.help))
    tell_table(("parameter", "default", "range", "meaning"), rows)
    tell()
    if method.name == AUTO:
        _show_ladders(diorama)
        return
    made = f"made of: {method.made_of()} (`retouch methods --parts`)"
    tell_prose(made if issubclass(method, Composed) else f"it edits: {method.made_of()}")
    for rule in diorama.when_changed:
        if method.name in rule.settings:
            values = ", ".join(f"{key} {_shown(value)}" for key, value in rule.settings[method.name].items())
            tell_prose(f"diorama, where {' or '.join(sorted(rule.words))} comes or goes: {values}")


def _show_ladders(diorama: Recommended) -> None:
    """What auto tries: with Diorama, and by the kind of change with a model that recommends nothing."""
    from retouch.auto.ladder import BY_KIND

    def shown(rungs: Sequence[Rung]) -> str:
        return ", then ".join(" ".join([r.method, *(f"{k}={_shown(v)}" for k, v in r.settings.items())]) for r in rungs)

    ladder = diorama.ladder
    tell_prose(f"diorama: {shown(ladder.rungs)}")
    for words, rungs in ladder.when_changed:
        tell_prose(f"diorama, where {' or '.join(sorted(words))} comes or goes: {shown(rungs)}")
    for kind, rungs in BY_KIND.items():
        tell_prose(f"a model that recommends nothing, {kind}: {shown(rungs)}")
    tell_prose("Without a CLIP model (--clip) only the first is tried, and a note says so.")


def _show_parts(as_json: bool) -> None:
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
        tell_json(listed, indent=2)
        return
    for axis, choices in parts().items():
        rows = [(name, part.summary, ", ".join(p.name for p in parameters_of(part))) for name, part in choices.items()]
        tell_table((f"--{axis}", "what it does", "parameters"), rows)
        tell()
    tell_prose(
        "Guiders go on top of another guidance, as in --guidance proximal+guiders. A method brings its own parts; each "
        "option replaces one, as in --method masactrl --inversion null-text."
    )


def _shown(default: Any) -> str:
    return "none" if default in (None, "") else str(default).lower() if isinstance(default, bool) else str(default)


def _described(method: Any) -> dict[str, Any]:
    from retouch.backbone.load import EMBEDDED_FOLDER
    from retouch.backbone.recommended import read_recommended
    from retouch.parameters import parameters_of
    from retouch.request import AUTO

    diorama = read_recommended(EMBEDDED_FOLDER)
    return {
        "name": method.name, "title": method.title, "paper": method.paper, "good_for": method.good_for,
        "needs_source": method.needs_source, "parts": getattr(method, "parts", None),
        "evaluations": None if method.name == AUTO else method().evaluations(),
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
