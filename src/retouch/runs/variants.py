"""Which methods a run is of, each with its settings under the label that its results bear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retouch.arguments import KEEP, check_size
from retouch.auto.kind import kind_named
from retouch.auto.ladder import plain_method
from retouch.errors import BadParameter
from retouch.methods.choice import AXES
from retouch.methods.method import Method
from retouch.methods.registry import method_type, methods
from retouch.parameters import parameters_of, read_settings, settings_from_text
from retouch.request import AUTO, PLAIN_METHOD
from retouch.suites.suite import Entry, Suite

BOTH = "both"
"""Every method twice: as the model draws, and with what it did not change kept."""

_DRAWN, _KEPT = "off", "auto"


@dataclass(frozen=True)
class Variant:
    """A method with settings and perhaps exchanged parts, under the label that its results bear.

    Attributes:
        keep, size: as for :meth:`retouch.editor.Editor.edit`.
        asked: more of its arguments, by name, such as ``negative_prompt``.
    """

    label: str
    method: str
    settings: Mapping[str, Any]
    parts: Mapping[str, str] = field(default_factory=dict)
    keep: str = _DRAWN
    size: int | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> type[Method]:
        """The method's class.

        Raises:
            BadParameter: when there is none, or the parts make no sense.
        """
        return kind_named(self.method, **self.parts)

    def stored(self) -> dict[str, Any]:
        """What a run's manifest keeps of it, by the label."""
        state: dict[str, Any] = {"method": self.method, "settings": dict(self.settings)}
        parts = {"parts": dict(self.parts)} if self.parts else {}
        size = {} if self.size is None else {"size": self.size}
        asked = {"asked": dict(self.asked)} if self.asked else {}
        return {**state, **parts, **({"keep": self.keep} if self.keep != _DRAWN else {}), **size, **asked}

    def apart_from_keeping(self) -> Variant:
        """What it shares with one that differs in how much is kept alone, and in the label."""
        return replace(self, label="", keep=_DRAWN)


def chosen_methods(text: str, option: str = "--methods") -> list[str]:
    """The methods that ``"a,b"``, ``"tuning-free"`` (those that optimise nothing) or ``"all"`` names, each once.

    Args:
        text: as a command line gives it.
        option: what the text was given as.

    Raises:
        BadParameter: for none, or one that does not exist.
    """
    if text.strip().lower() == "all":
        return list(methods())
    if text.strip().lower() == "tuning-free":
        return [name for name, kind in methods().items() if not kind.optimises]
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise BadParameter(f"{option} is {text!r}, expected names separated by commas, tuning-free, or all.")
    for name in names:
        kind_named(name)
    return names


def method_asked(
    method: str, parts: Mapping[str, str], settings: Mapping[str, Any]
) -> tuple[type[Method], str, dict[str, Any]]:  # fmt: skip
    """The class of the method that an edit asks for, its name, and the settings, read.

    "" stands for auto, or with parts for the plain method.

    How values go together is judged later, with what the model recommends.

    Raises:
        BadParameter: when there is no such method or part, or it has no such setting or not this value.
    """
    if method in ("", AUTO) and not parts:
        return kind_named(AUTO), AUTO, read_settings(method_type(able := plain_method(settings)), settings, able)
    name = method or PLAIN_METHOD
    if name == AUTO:
        raise BadParameter(f"auto chooses the parts itself: leave {next(iter(parts))} out, or name a method.")
    kind = method_type(name, **parts)
    return kind, name, read_settings(kind, settings, name)


def suited(variant: Variant, suite: Suite, entry: Entry) -> Variant:
    """A variant with what the suite sets for its method and for this entry, under what it sets itself."""
    known = {one.name for one in parameters_of(variant.kind)}
    of_entry = {name: value for name, value in entry.settings.items() if name in known}
    return replace(variant, settings={**suite.published.get(variant.method, {}), **of_entry, **variant.settings})


def read_variants(methods: Sequence[str], variants: Sequence[str] = ()) -> dict[str, Variant]:
    """What is to be run, by label.

    Args:
        methods: names, with nothing set.
        variants: "METHOD:NAME=VALUE,…", which is its own label, or "LABEL=METHOD:NAME=VALUE,…"; a name is a parameter's
            or one of the four parts'.

    Raises:
        BadParameter: for an unknown method or parameter, a value outside its range, or a label used twice.
    """
    found = [Variant(name, name, {}) for name in methods] + [_variant(text) for text in variants]
    _check_labels(found)
    return {one.label: replace(one, settings=read_settings(one.kind, one.settings, one.method)) for one in found}


def kept(variants: Mapping[str, Variant], keep: str) -> dict[str, Variant]:
    """The variants with so much kept of their pictures.

    Args:
        keep: as for :meth:`retouch.editor.Editor.edit`, or "both": each as the model draws, and under "LABEL kept" with
            ``keep="auto"``.

    Raises:
        BadParameter: for another word, or a label that one gets and another has.
    """
    if keep not in (*KEEP, BOTH):
        raise BadParameter(f"--keep is {keep!r}, expected {', '.join(KEEP)} or {BOTH}.")
    if keep != BOTH:
        return {label: replace(one, keep=keep) for label, one in variants.items()}
    twice = [(one, replace(one, label=f"{one.label} kept", keep=_KEPT)) for one in variants.values()]
    found = [one for pair in twice for one in pair]
    _check_labels(found)
    return {one.label: one for one in found}


def sized(variants: Mapping[str, Variant], size: int | None) -> dict[str, Variant]:
    """The variants at a working size; None for the model's own.

    Raises:
        BadParameter: for what is no size.
    """
    check_size(size)
    return {label: replace(one, size=size) for label, one in variants.items()}


def _check_labels(found: Sequence[Variant]) -> None:
    labels = [one.label for one in found]
    for label in labels:
        if labels.count(label) > 1:
            raise BadParameter(f"two methods are called {label!r}: give one another label, as 'mine=ddim:…'.")


def _variant(text: str) -> Variant:
    head, _, settings = text.partition(":")
    label, named, method = head.partition("=")
    name = (method if named else head).strip()
    pairs = [pair for pair in settings.split(",") if pair.strip()]
    if not name or (named and not label.strip()):
        raise BadParameter(f"the variant is {text!r}, expected METHOD:NAME=VALUE,… or LABEL=METHOD:NAME=VALUE,….")
    given = settings_from_text(pairs)
    parts = {axis: str(given.pop(axis)) for axis in AXES if axis in given}
    return Variant(label.strip() if named else text.strip(), name, given, parts)
