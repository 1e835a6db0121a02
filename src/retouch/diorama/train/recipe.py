"""Recipes: every number of the training, read from ``recipes.toml`` into the stage's own dataclass."""

from __future__ import annotations

import dataclasses
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from retouch.errors import BadParameter

R = TypeVar("R")


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("recipes.toml").read_text(encoding="utf-8"))


def read(kind: type[R], recipe: str, stage: str, steps: int | None = None) -> R:
    """The table ``[recipe.stage]`` as a ``kind``; ``steps`` replaces the table's own.

    Raises:
        BadParameter: for a recipe that is not there, or steps below 1.
    """
    tables = _tables()
    if recipe not in tables:
        raise BadParameter(f"there is no recipe {recipe!r}, expected one of {', '.join(tables)}.")
    if steps is not None and steps < 1:
        raise BadParameter(f"steps is {steps}, expected a whole number from 1.")
    table = {k: tuple(v) if isinstance(v, list) else v for k, v in tables[recipe][stage].items()}
    return kind(**table | ({} if steps is None else {"steps": steps}))


def plain(recipe: Any) -> dict[str, Any]:
    """The recipe as JSON-ready values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(recipe).items()}
