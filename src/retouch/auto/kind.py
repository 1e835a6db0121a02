"""What stands for the choice of a method where methods are listed, run and described."""

from __future__ import annotations

from dataclasses import dataclass

from retouch.methods.method import Method
from retouch.methods.registry import method_type
from retouch.parameters import parameter
from retouch.request import AUTO


@dataclass(frozen=True)
class Auto(Method):
    """Methods tried one after another until an edit is verified; what to try, the model and the prompts say."""

    name = AUTO
    title = "The method that does it"
    paper = "ours"
    good_for = "the default: tries methods, the cheapest first, until CLIP sees the change"
    how = "methods one after another, each edit verified"

    clip: str = parameter(
        "", "the CLIP model that verifies: a folder or a hub name; empty: the model's own, if any", loads=True
    )


def kind_named(name: str, **parts: str | None) -> type[Method]:
    """The class of the method ``name``, which may be auto; see :func:`retouch.methods.registry.method_type`.

    Raises:
        BadParameter: when there is no such method or part.
    """
    return Auto if name == AUTO and not any(parts.values()) else method_type(name, **parts)
