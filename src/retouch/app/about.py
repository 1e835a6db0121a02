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

_GROUPS = {
    "prompt-to-prompt": "Words swapped, added or weighed; the layout stays",
    "mutual-self-attention": "Another pose or outline, the same look",
    "feature-injection": "Another style or material in the old layout",
    "diffedit": "One thing changed in its place",
}
_FITTED = "Fitted to the picture first: slow, and goes furthest"
_OTHERS = "All kinds of edits"


@dataclass(frozen=True)
class AboutMethod:
    """A method as the page offers it.

    Attributes:
        group: what it is good for, in common with others.
        parameters: with the defaults that hold for this model; those that name something to load are left out.
        fits: whether it makes a fit that several edits can be sampled from.
        etas: the range in which these can differ in eta; None where they cannot.
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


@dataclass(frozen=True)
class About:
    """What can be done here.

    Attributes:
        captions: whether pictures can be described.
        scenes: whether the model is of the painted world, so that pictures can be painted for it.
        clicks: whether a click can mark a thing.
    """

    model: str
    methods: Mapping[str, AboutMethod] = field(default_factory=dict)
    captions: bool = False
    scenes: bool = False
    clicks: bool = False

    def groups(self) -> dict[str, list[AboutMethod]]:
        """The methods by what they are good for."""
        found: dict[str, list[AboutMethod]] = {}
        for one in self.methods.values():
            found.setdefault(one.group, []).append(one)
        return found


def about(model: str, recommended: Recommended) -> About:
    """What can be done with a model, by its name and what it recommends: it need not be loaded yet."""
    from retouch.methods.registry import methods

    painted = model in ("diorama", "diorama-pixels")
    known = {name: _about(recommended, name, kind) for name, kind in methods().items()}
    order = {group: place for place, group in enumerate([*_GROUPS.values(), _OTHERS, _FITTED])}
    known = dict(sorted(known.items(), key=lambda item: order[item[1].group]))
    return About(model, known, captions=painted, scenes=painted, clicks=model == "diorama")


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
    )  # fmt: skip


def _etas(declared: tuple[Parameter, ...]) -> tuple[float, float]:
    eta = next(p for p in declared if p.name == "eta")
    return eta.low or 0.0, 1.0 if eta.high is None else eta.high


def value_as_text(value: Any) -> str:
    """A parameter's value as a form holds it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
