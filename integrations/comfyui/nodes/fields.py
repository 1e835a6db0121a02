"""A method's declared parameters as inputs of a node, and what was put into them as settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from retouch.auto.kind import kind_named
from retouch.methods.registry import methods
from retouch.parameters import Parameter, parameters_of, read_settings
from retouch.request import AUTO

UNSET = "auto"
"""What an input shows for a parameter that is left to the method."""
_FAR = 1e9  # where nothing is declared: the host's own bound would be 2048


def inputs_of(name: str) -> list[io.Input]:
    """The inputs of a method's parameters; a workflow names no model to load, but for the node that loads one."""
    return [input_of(p) for p in parameters_of(kind_named(name)) if not p.loads]


def method_input() -> io.Input:
    """A choice among the methods, each with its own inputs below."""
    about = "; ".join(f"{name}: {kind.good_for}" for name, kind in methods().items())
    return io.DynamicCombo.Input(
        "method",
        options=[io.DynamicCombo.Option(name, inputs_of(name)) for name in (AUTO, *methods())],
        tooltip=f"{AUTO} tries methods, the cheapest first, until CLIP sees the change. {about}",
    )


def input_of(declared: Parameter) -> io.Input:
    """One parameter with its default, range and help; optional, for a saved workflow that is older than it."""
    about: dict[str, Any] = {"tooltip": _about(declared), "optional": True}
    low = -_FAR if declared.low is None else declared.low
    high = _FAR if declared.high is None else declared.high
    if declared.kind == "choice":
        options = [*([UNSET] if declared.optional else []), *declared.choices]
        return io.Combo.Input(declared.name, options=options, default=declared.default or options[0], **about)
    if declared.optional:  # an empty number has no other way to be shown
        return io.String.Input(declared.name, default=UNSET, **about)
    if declared.kind == "yes or no":
        return io.Boolean.Input(declared.name, default=declared.default, **about)
    if declared.kind == "whole number":
        return io.Int.Input(declared.name, default=declared.default, min=int(low), max=int(high), step=1, **about)
    if declared.kind == "number":
        step = _step(declared.default)
        return io.Float.Input(
            declared.name, default=declared.default, min=low, max=high, step=step, round=step / 10, **about
        )
    return io.String.Input(declared.name, default=declared.default, **about)


def settings_of(name: str, given: Mapping[str, Any], *, recommended: bool) -> dict[str, Any]:
    """What was put into a method's inputs.

    Args:
        given: None stands for an input that the workflow lacks.
        recommended: whether what is at its default is left to the model, which may recommend another value.

    Raises:
        BadParameter: for a value outside its range.
    """
    kind = kind_named(name)
    read = read_settings(kind, {key: value for key, value in given.items() if value is not None}, name)
    defaults = {p.name: p.default for p in parameters_of(kind)}
    return {key: value for key, value in read.items() if not recommended or value != defaults[key]}


def _about(declared: Parameter) -> str:
    values = "" if declared.kind in ("text", "yes or no") else f" ({declared.range()}{declared.unit and ' '}"
    values += f"{declared.unit})" if values else ""
    left = f"; {UNSET}: the method's choice" if declared.optional else ""
    source = f" [{declared.source}]" if declared.source else ""
    return f"{declared.help}{values}{left}{source}"


def _step(default: float) -> float:
    """By how much the arrows of a number's field change it: a hundredth, or less where the number is small."""
    if not default:
        return 0.01
    return float(min(0.01, 10.0 ** (math.floor(math.log10(abs(default))) - 1)))
