"""The suites by name: ours, and those that other packages register under the entry-point group ``retouch.suites``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, is_dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Any

from retouch.errors import BadParameter
from retouch.parameters import Parameter, parameters_of, read_settings
from retouch.plugins import plugins
from retouch.suites.suite import Suite

_OWN = {
    "diorama": "retouch.diorama.suite:DioramaSuite",
    "drift": "retouch.diorama.drift:Drift",
    "tedbench": "retouch.suites.tedbench:TEdBench",
    "pie-bench": "retouch.suites.pie_bench:PieBench",
    "magic-brush": "retouch.suites.magic_brush:MagicBrush",
    "folder": "retouch.suites.table:Table",
    "before-after": "retouch.suites.before_after:BeforeAfter",
}

_SPEED = "speed"
"""What `retouch bench` takes in a suite's place: no suite can be called so."""


@cache
def suites() -> Mapping[str, type[Suite]]:
    """Every suite by its name."""
    own = {name: _imported(place) for name, place in _OWN.items()}
    return {**own, **plugins("retouch.suites", {*own, _SPEED}, _named)}


def suite_type(name: str) -> type[Suite]:
    """The suite of that name.

    Raises:
        BadParameter: when there is none.
    """
    if name not in suites():
        close = get_close_matches(name, suites(), n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise BadParameter(f"there is no suite {name!r}{hint}, expected one of {', '.join(suites())}.")
    return suites()[name]


def options_of(suite: type[Suite]) -> tuple[Parameter, ...]:
    """The declared options of a suite, in order; those without a default have ``dataclasses.MISSING``."""
    return parameters_of(suite) if is_dataclass(suite) else ()


def open_suite(name: str, options: Mapping[str, Any] | None = None) -> Suite:
    """The suite of that name, its table read.

    Args:
        name: one of :func:`suites`.
        options: values, or text from a command line, by the names of its options.

    Raises:
        BadParameter: for no such suite, an option of others, a value outside its range, or when one that it needs is
            not given.
        BadSuite: as the suite says.
    """
    kind, given = suite_type(name), dict(options or {})
    known = options_of(kind)
    for other in given.keys() - {one.name for one in known}:
        owners = [suite for suite, its in suites().items() if other in {one.name for one in options_of(its)}]
        if owners:
            which = f"the suite {owners[0]}" if len(owners) == 1 else f"the suites {', '.join(owners)}"
            raise BadParameter(f"--{other.replace('_', '-')} goes with {which}, not {name}.")
    for one in known:
        if one.default is MISSING and one.name not in given:
            raise BadParameter(f"the suite {name} needs {kind.needs or one.help}: say where with --{one.name}.")
    return kind(**(read_settings(kind, given, name) if known else given))


def _imported(place: str) -> type[Suite]:
    module, _, attribute = place.partition(":")
    kind: type[Suite] = getattr(import_module(module), attribute)
    return kind


def _named(name: str, loaded: Any) -> dict[str, type[Suite]]:
    if not (isinstance(loaded, type) and issubclass(loaded, Suite)):
        raise TypeError(f"{loaded!r} is no Suite")
    if loaded.name != name:
        raise ValueError(f"it calls itself {loaded.name!r}: register it under that name")
    return {name: loaded}
