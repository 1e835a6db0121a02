"""What the page has to know of the model and the methods, told by the process that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from retouch.parameters import Parameter

if TYPE_CHECKING:
    from retouch.backbone.recommended import Recommended
    from retouch.methods.method import Method

AUTO = "auto"
AXES = ("inversion", "control", "guidance", "sampler")
"""What the parts of methods are."""

_GROUPS = {
    "prompt-to-prompt": "Words swapped, added or weighed; the layout stays",
    "mutual-self-attention": "Another pose or outline, the same look",
    "feature-injection": "Another style or material in the old layout",
    "diffedit": "One thing changed in its place",
}
_FITTED = "Fitted to the picture first: slow, and goes furthest"
_OTHERS = "All kinds of edits"


@dataclass(frozen=True)
class AboutPart:
    """A part as the page offers it.

    Attributes:
        parameters: left open; then what the model recommends, or the published default, holds.
        brings: what goes with it by itself, by axis: an inversion's sampler, and the guidance that one goes on top of.
    """

    name: str
    summary: str
    takes_foreground: bool = False
    parameters: tuple[Parameter, ...] = ()
    brings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AboutMethod:
    """A method as the page offers it.

    Attributes:
        group: what it is good for, in common with others.
        parameters: with the defaults that hold for this model; those that name something to load are left out.
        fits: whether it makes a fit that several edits can be sampled from.
        etas: the range in which these can differ in eta; None where they cannot.
        parts: what it is made of, by axis, where that can be exchanged.
        takes: the pictures beside the one that is edited that play a part: "foreground", "reference".
    """

    name: str
    title: str
    group: str
    advice: str
    needs_source: bool
    fits: bool
    etas: tuple[float, float] | None
    weighs: bool
    parameters: tuple[Parameter, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class About:
    """What can be done here.

    Attributes:
        captions: whether pictures can be described.
        scenes: whether the model is of the painted world, so that pictures can be painted for it.
        clicks: whether a click can mark a thing.
        parts: what methods can be made of, by axis and name.
        upscalers: those that may be chosen.
    """

    model: str
    methods: Mapping[str, AboutMethod] = field(default_factory=dict)
    captions: bool = False
    scenes: bool = False
    clicks: bool = False
    parts: Mapping[str, Mapping[str, AboutPart]] = field(default_factory=dict)
    upscalers: tuple[str, ...] = ()

    def groups(self) -> dict[str, list[AboutMethod]]:
        """The methods by what they are good for."""
        found: dict[str, list[AboutMethod]] = {}
        for one in self.methods.values():
            found.setdefault(one.group, []).append(one)
        return found


def mixed(about: About, method: AboutMethod, parts: Mapping[str, str]) -> AboutMethod:
    """A method with other parts, named by axis: what it then declares, and which pictures it takes."""
    changed = {axis: name for axis, name in parts.items() if name != method.parts.get(axis)}
    if not changed:
        return method

    def named(axis: str, name: str) -> list[AboutPart]:
        known = about.parts.get(axis, {})
        found = [known[one] for one in name.split("+") if one in known]
        base = found[0].brings.get(axis, "") if found else ""
        return [known[base], *found] if base in known else found

    for part in named("inversion", changed.get("inversion", "")):
        changed = {**part.brings, **changed}

    old = [part for axis, name in method.parts.items() if axis not in changed for part in named(axis, name)]
    new = [part for axis, name in changed.items() for part in named(axis, name)]
    stays = {"num_inference_steps"} | {p.name for part in old for p in part.parameters}
    kept = {p.name: p for p in method.parameters if p.name in stays}
    more = {p.name: p for part in new for p in part.parameters if p.name not in kept}
    subject = any(part.takes_foreground for part in (*old, *new))
    return replace(
        method, parameters=(*kept.values(), *more.values()), parts={**method.parts, **changed},
        takes=("foreground",) if subject else (),
    )  # fmt: skip


def about(model: str, recommended: Recommended, upscalers: tuple[str, ...] = ()) -> About:
    """What can be done with a model, by its name and what it recommends: it need not be loaded yet."""
    from retouch.methods.catalogue import parts
    from retouch.methods.registry import methods

    painted = model in ("diorama", "diorama-pixels")
    known = {name: _about(recommended, name, kind) for name, kind in methods().items()}
    order = {group: place for place, group in enumerate([*_GROUPS.values(), _OTHERS, _FITTED])}
    known = dict(sorted(known.items(), key=lambda item: order[item[1].group]))
    offered = {axis: {name: _about_part(part) for name, part in of.items()} for axis, of in parts().items()}
    return About(model, known, painted, painted, model == "diorama", offered, upscalers)


def _about_part(kind: type[Any]) -> AboutPart:
    from retouch.parameters import parameters_of
    from retouch.parts.part import Addition, Inversion

    free = (replace(p, default=None, optional=True) for p in parameters_of(kind) if not p.loads)
    brings = {"guidance": "classifier-free"} if issubclass(kind, Addition) else {}
    if issubclass(kind, Inversion):
        brings = {"sampler": kind.sampler or "ddim"}
    return AboutPart(kind.name, kind.summary, getattr(kind, "takes_foreground", False), tuple(free), brings)


def _about(recommended: Recommended, name: str, kind: type[Method]) -> AboutMethod:
    from retouch.methods.composition import Composed
    from retouch.methods.optimising import Optimising
    from retouch.parameters import parameters_of

    usual = recommended.for_edit(name, None, "")
    declared = parameters_of(kind)
    control = kind.parts["control"] if issubclass(kind, Composed) else ""
    fits = issubclass(kind, Optimising)
    return AboutMethod(
        name=name, title=kind.title, group=_FITTED if kind.optimises else _GROUPS.get(control, _OTHERS),
        advice=kind.good_for, needs_source=kind.needs_source, fits=fits,
        etas=_etas(declared) if issubclass(kind, Optimising) and "eta" in kind.sampling else None,
        weighs=any(p.name == "reweight" for p in declared),
        parameters=tuple(replace(p, default=usual.get(p.name, p.default)) for p in declared if not p.loads),
        parts=dict(kind.parts) if issubclass(kind, Composed) and not kind.optimises else {},
        takes=tuple(name for name in ("foreground", "reference") if getattr(kind, f"takes_{name}")),
    )  # fmt: skip


def _etas(declared: tuple[Parameter, ...]) -> tuple[float, float]:
    eta = next(p for p in declared if p.name == "eta")
    return eta.low or 0.0, 1.0 if eta.high is None else eta.high


def value_as_text(value: Any) -> str:
    """A parameter's value as a form holds it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
