"""The methods by name: ours, and those that other packages register under the entry-point group ``retouch.methods``."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter, BadPrompt
from retouch.methods.composition import Composed
from retouch.methods.method import Method
from retouch.methods.mix import composed, recommended_for
from retouch.methods.optimising import Optimising
from retouch.parameters import read_settings
from retouch.plugins import check_class, plugins

_OWN = {
    "prox-npi": "prox_npi:ProxNPI",
    "negative-prompt": "negative_prompt:NegativePrompt",
    "null-text": "null_text:NullText",
    "prompt-tuning": "prompt_tuning:PromptTuning",
    "prompt-to-prompt": "prompt_to_prompt:PromptToPrompt",
    "masactrl": "masactrl:MasaCtrl",
    "prox-masactrl": "prox_masactrl:ProxMasaCtrl",
    "plug-and-play": "plug_and_play:PlugAndPlay",
    "edit-friendly": "edit_friendly:EditFriendly",
    "cycle-diffusion": "cycle_diffusion:CycleDiffusion",
    "guide-and-rescale": "guide_and_rescale:GuideAndRescaleEdit",
    "ddim": "ddim:DDIM",
    "ddib": "ddib:DDIB",
    "sdedit": "sdedit:SDEdit",
    "diffedit": "diffedit:DiffEdit",
    "ledits-pp": "ledits_pp:LeditsPP",
    "imagic": "imagic:Imagic",
    "layer-diffusion": "layer_diffusion:LayerDiffusion",
    "e4c": "e4c:E4C",
}

_GROUPS = ("tuning-free", "all", "none")
"""What stands for several methods, or for none, where names are listed."""


@cache
def methods() -> Mapping[str, type[Method]]:
    """Every method by its name on the command line."""
    found: dict[str, type[Method]] = {}
    for name, place in _OWN.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(f"retouch.methods.{module}"), attribute)
    return found | plugins("retouch.methods", {*found, *_GROUPS}, _method)


def _method(name: str, loaded: Any) -> dict[str, type[Method]]:
    check_class(loaded, name, Method, ("name", "title", "paper", "good_for"), ("steps", "evaluations", "edit"))
    return {name: loaded}


def needs_source(name: str) -> BadPrompt:
    """The error for a missing source prompt; it says which methods do without."""
    without = ", ".join(other for other, kind in methods().items() if not kind.needs_source)
    return BadPrompt(
        f"{name} needs to know what the picture shows: give a source prompt with --from ({without} do without)."
    )


def check_fits(kind: type[Method]) -> None:
    """Refuses a method that makes no fit.

    Raises:
        BadParameter: naming those that do.
    """
    if not issubclass(kind, Optimising):
        those = ", ".join(name for name, other in methods().items() if issubclass(other, Optimising))
        raise BadParameter(f"{kind.name} makes no fit to keep: choose one of {those}.")


def method_named(
    name: str,
    settings: Mapping[str, Any] | None = None,
    **parts: str | None,
) -> Method:
    """The method ``name`` with ``settings`` in place of its defaults, and other parts where some are named.

    Raises:
        BadParameter: when there is no such method, part or parameter, parts make no sense together, or a value is
            outside its range.
    """
    kind = method_type(name, **parts)
    return kind(**read_settings(kind, settings or {}, name))


def method_for(
    model: Backbone, name: str, source: str | None, target: str, settings: Mapping[str, Any], **parts: str | None
) -> Method:
    """The method ``name`` as an edit would run it: with what the model recommends, and ``settings`` on top.

    Raises:
        BadParameter: as :func:`method_named`.
    """
    kind = method_type(name, **parts)
    return kind(**read_settings(kind, {**_recommended(model, name, kind, source, target), **settings}, name))


def _recommended(model: Backbone, name: str, kind: type[Method], source: str | None, target: str) -> dict[str, Any]:
    """What the model recommends for ``kind``, which is the method ``name``, perhaps with other parts."""
    base = method_type(name)
    if kind is base or not (issubclass(kind, Composed) and issubclass(base, Composed)):
        return model.recommended.for_edit(name, source, target)
    follows = recommended_for(base, kind, methods())  # what is recommended for an exchanged part goes with it
    per_method = {m: model.recommended.for_edit(m, source, target) for m in set(follows.values())}
    return {p: per_method[m][p] for p, m in follows.items() if p in per_method[m]}


def made_anew(model: Backbone, method: Method, source: str | None, target: str, kept: Mapping[str, Any]) -> Method:
    """The method as an edit would run it again that is given ``kept`` alone of its parameters.

    Raises:
        BadParameter: when these make no sense with what stands in place of the others.
    """
    kind, name = type(method), method.name.partition(" as ")[0]
    recommended = _recommended(model, name, kind, source, target) if name in methods() else {}
    return kind(**read_settings(kind, {**recommended, **kept}, name))


def method_type(name: str, **parts: str | None) -> type[Method]:
    """The method ``name``, composed anew where ``inversion``, ``control``, ``guidance`` or ``sampler`` differ.

    Raises:
        BadParameter: when there is no such method or part, or parts make no sense together.
    """
    known = methods()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise BadParameter(f"there is no method {name!r}{hint}; the methods are: {', '.join(known)}.")
    base = known[name]
    if not any(parts.values()):
        return base
    if not issubclass(base, Composed):
        raise BadParameter(f"{name} is not made of an inversion, a control and a guidance: these cannot be exchanged.")
    return composed(base, **parts)
