"""Which methods are tried for an edit, the cheapest first: what the model recommends, or by the kind of the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from retouch.auto.texts import kind_of
from retouch.backbone.protocol import Backbone
from retouch.backbone.rungs import Rung
from retouch.errors import BadParameter
from retouch.methods.registry import method_type, methods
from retouch.parameters import parameters_of, read_settings
from retouch.request import PLAIN_METHOD

BY_KIND: Mapping[str, Sequence[Rung]] = {
    "swapped": (Rung("prox-npi"), Rung("negative-prompt"), Rung("edit-friendly")),
    "added": (Rung("prox-npi"), Rung("negative-prompt"), Rung("edit-friendly")),
    "removed": (Rung("negative-prompt"), Rung("ddim"), Rung("edit-friendly")),
    "pose": (Rung("prox-masactrl"), Rung("ddim"), Rung("edit-friendly")),
    "place": (Rung("plug-and-play"), Rung("ddim"), Rung("edit-friendly")),
    "style": (Rung("plug-and-play"), Rung("ddim"), Rung("edit-friendly")),
}
"""For a model that recommends none: by what the methods' papers show them to be good for, and those that share an
inversion together."""


def rungs_for(model: Backbone, source: str, target: str, settings: Mapping[str, Any]) -> list[Rung]:
    """What is tried for an edit: the model's own ladder, or one for the kind of the change.

    Args:
        settings: given by hand, in place of the rungs' own; only methods that have all of them are tried.

    Raises:
        BadParameter: when no method has all settings, or one is outside its range.
    """
    wanted = model.recommended.ladder.for_edit(source, target) or BY_KIND[kind_of(source, target)]
    kept = list[Rung]()
    for rung in [rung for rung in wanted if _has(rung.method, settings)] or [Rung(plain_method(settings))]:
        kind = method_type(rung.method)
        own = read_settings(kind, {**rung.settings, **settings}, rung.method)
        if (one := Rung(rung.method, own, rung.seed)) not in kept:
            kept.append(one)
    return kept


def plain_method(settings: Mapping[str, Any]) -> str:
    """The method that is meant by settings which no method of the ladder has.

    Raises:
        BadParameter: when no method has all of them, or a value is outside its range.
    """
    able = [PLAIN_METHOD, *(name for name, kind in methods().items() if not kind.optimises)]
    for name in able:
        if _has(name, settings):
            read_settings(method_type(name), settings, name)
            return name
    known = sorted({name for method in able for name in _names(method)})
    for name in settings:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise BadParameter(
                f"no method that auto chooses from has a parameter {name!r}{hint}: name the method, with --method."
            )
    raise BadParameter(
        f"no method has all of {', '.join(settings)}: leave some out, or name the method that is meant, with --method."
    )


def _has(method: str, settings: Mapping[str, Any]) -> bool:
    return set(settings) <= _names(method)


def _names(method: str) -> set[str]:
    return {p.name for p in parameters_of(method_type(method))}
