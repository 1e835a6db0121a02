"""Methods with other parts than their own, and what a model recommends for these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from retouch.errors import BadParameter
from retouch.methods.choice import AXES
from retouch.methods.composition import Composed
from retouch.parameters import parameters_of


def composed(base: type[Composed], **named: str | None) -> type[Composed]:
    """The method ``base`` with other parts; defaults of its own stay where the parts they belong to stay.

    Args:
        named: a part's name for ``inversion``, ``control``, ``guidance`` or ``sampler``; None for the method's own.

    Raises:
        BadParameter: for a part that does not exist, and for parts that make no sense together, with the reason.
    """
    if base.optimises and any(named.values()):
        raise BadParameter(
            f"{base.name} optimises weights that go with its own inversion, control and guidance: these cannot be "
            f"exchanged. Other methods can take its control, as --control {base.parts['control']}."
        )
    parts = {axis: named.get(axis) or base.parts[axis] for axis in AXES}
    if named.get("inversion") and not named.get("sampler"):
        parts["sampler"] = ""  # the inversion's own
    plain: type[Composed] = type("Plain", (Composed,), {"name": "plain"}, **parts)
    if plain.parts == base.parts:
        return base
    kept = {f.name: f.default for f in fields(base) if _belongs(f.name, base, plain)}
    given = " × ".join(name for axis, name in plain.parts.items() if axis != "sampler" or name != "ddim")
    described = {
        "name": f"{base.name} as {given}", "title": given, "paper": f"after {base.paper}",
        "good_for": "a mix of your own", "empty_source": base.empty_source, "__module__": __name__,
    }  # fmt: skip
    mixed: type[Composed] = type("Mixed", (Composed,), described, defaults=kept, **parts)
    return mixed


def recommended_for(base: type[Composed], mixed: type[Composed], known: Mapping[str, type[Any]]) -> dict[str, str]:
    """For every parameter of ``mixed`` the method whose recommended settings it follows: they go with their part.

    What ``base`` keeps follows ``base``; the parameters of an exchanged part follow the method among ``known`` that has
    this part and most of the others.
    """
    followed = {f.name: base.name for f in fields(mixed) if _belongs(f.name, base, mixed)}
    others = [kind for kind in known.values() if issubclass(kind, Composed) and not kind.optimises]
    for axis in AXES:
        for part in mixed.choice.of(axis):
            donors = [kind for kind in others if part in kind.choice.of(axis)]
            if part in base.choice.of(axis) or not donors:
                continue
            donor = max(donors, key=lambda kind: sum(kind.parts[axis] == mixed.parts[axis] for axis in AXES))
            followed |= {p.name: donor.name for p in parameters_of(part) if p.name not in followed}
    return followed


def _belongs(name: str, base: type[Composed], mixed: type[Composed]) -> bool:
    """Whether the parameter comes from a part that both methods have."""
    both = set(base.choice.classes()) & set(mixed.choice.classes())
    return name == "num_inference_steps" or any(name in {p.name for p in parameters_of(part)} for part in both)
