"""One declaration per parameter: default, range, unit, help and source, from which everything else derives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from retouch.errors import BadParameter


@dataclass(frozen=True)
class Parameter:
    """What a method's field means: its kind, default, inclusive range or choices, unit, one-line help, source."""

    name: str
    kind: str  # "number" | "whole number" | "yes or no" | "choice" | "text"
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    source: str = ""
    optional: bool = False  # None is a value: "let the method choose"
    loads: bool = False  # whether it names a model to load, by its folder or hub name

    def range(self) -> str:
        """The allowed values in words."""
        match self.kind:
            case "choice":
                return " | ".join(self.choices)
            case "yes or no":
                return "true | false"
            case "text":
                return "text"
        low = "" if self.low is None else f"{self.low:g}"
        high = "" if self.high is None else f"{self.high:g}"
        return f"{low}..{high}"

    def expected(self) -> str:
        """What it takes, for a refusal: "a number in 0..1", "a whole number of at least 1"."""
        if self.kind == "text":
            return self.kind
        if self.kind in ("number", "whole number") and (self.low is None or self.high is None):
            low = "" if self.low is None else f" of at least {self.low:g}"
            high = "" if self.high is None else f" of at most {self.high:g}"
            return f"a {self.kind}{low}{high}"
        return f"a {self.kind} in {self.range()}"

    def read(self, text: str) -> Any:
        """The value that ``text`` (from a command line) stands for.

        Raises:
            BadParameter: when it is not of this kind.
        """
        if self.optional and text.lower() in ("none", "auto", ""):
            return None
        try:
            match self.kind:
                case "number":
                    return number_in(text)
                case "whole number":
                    return int(_without_underscores(text))
                case "yes or no":
                    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        except (ValueError, KeyError):
            raise BadParameter(f"{self.name} is {text!r}, expected {self.expected()}.") from None
        return text

    def check(self, value: Any) -> None:
        """Refuses a value outside the range.

        Raises:
            BadParameter: naming the parameter, the value and what is allowed.
        """
        if value is None and self.optional:
            return
        right_type = {
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "whole number": isinstance(value, int) and not isinstance(value, bool),
            "yes or no": isinstance(value, bool),
            "choice": isinstance(value, str) and value in self.choices,
            "text": isinstance(value, str),
        }[self.kind]
        inside = right_type and not (
            self.kind in ("number", "whole number")
            and not ((self.low is None or value >= self.low) and (self.high is None or value <= self.high))
        )
        if not inside:
            raise BadParameter(f"{self.name} is {value!r}, expected {self.expected()}: {self.help}")


def parameter(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    source: str = "",
    kind: str | None = None,
    loads: bool = False,
) -> Any:
    """A dataclass field that declares a method's parameter; its kind follows from the default and the choices.

    ``loads`` says that it names a model to load: the studio takes no such name from a browser.
    """
    if kind is None:
        kind = (
            "choice" if choices
            else "yes or no" if isinstance(default, bool)
            else "whole number" if isinstance(default, int)
            else "number" if isinstance(default, float)
            else "text"
        )  # fmt: skip
    meta = {
        "kind": kind, "help": help, "low": low, "high": high, "choices": choices, "unit": unit, "source": source,
        "optional": default is None, "loads": loads,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=meta)


def parameters_of(method: type[Any] | Any) -> tuple[Parameter, ...]:
    """The declared parameters of a method, in order."""
    return tuple(
        Parameter(name=field.name, default=field.default, **field.metadata)
        for field in dataclasses.fields(method)
        if "kind" in field.metadata
    )


def read_settings(method: type[Any], settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """``settings`` (values, or text from a command line) as values of ``method``'s parameters, each by itself in range.

    Raises:
        BadParameter: for a parameter the method does not have, or a value outside its range.
    """
    known = {p.name: p for p in parameters_of(method)}
    values = {}
    for key, value in settings.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise BadParameter(f"{name} has no parameter {key!r}{hint}; its parameters are: {', '.join(known)}.")
        if isinstance(value, Integral) and not isinstance(value, bool):
            value = int(value)  # numpy's numbers as Python's, for the recipe
        elif isinstance(value, Real) and not isinstance(value, bool):
            value = float(value)
        text = isinstance(value, str) and known[key].kind not in ("text", "choice")
        chosen = isinstance(value, str) and value in ("none", "auto") and known[key].optional
        values[key] = known[key].read(value) if text or chosen else value
        if known[key].kind == "text" and known[key].default == "" and value == "none":
            values[key] = ""  # as which the default is shown
        known[key].check(values[key])
    return values


def number_in(text: str) -> float:
    """The number that a text says, as people write it: to Python 1_0 is ten.

    Raises:
        ValueError: when it says none.
    """
    return float(_without_underscores(text))


def _without_underscores(text: str) -> str:
    if "_" in text:
        raise ValueError(f"{text!r} is no number")
    return text


def check_all(method: Any) -> None:
    """Checks every declared parameter of a method; for ``__post_init__``."""
    for declared in parameters_of(method):
        declared.check(getattr(method, declared.name))


def settings_from_text(pairs: Sequence[str], option: str = "--set", example: str = "quantile=0.6") -> dict[str, str]:
    """Reads ``["quantile=0.6"]`` into ``{"quantile": "0.6"}``.

    Raises:
        BadParameter: when an entry is not ``name=value``, or two give one name other values.
    """
    settings = dict[str, str]()
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadParameter(f"{option} {pair!r} is not name=value, for instance {option} {example}.")
        name, value = name.strip().replace("-", "_"), value.strip()
        if settings.get(name, value) != value:
            raise BadParameter(f"{option} gives {name} twice, as {settings[name]!r} and {value!r}: give it once.")
        settings[name] = value
    return settings
