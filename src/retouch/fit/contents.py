"""What the file of a fit holds, each field by itself and with the others: nothing else is ever read from one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

STOPPED = ("", "budget", "interrupted", "diverged")
"""Why a fit may have ended: by itself, or early."""


class Amiss(ValueError):
    """What is wrong with a file's contents, in a few words."""


def check_about(about: Any) -> None:
    """Refuses what a fit says about itself where a field is missing, unknown or of another kind.

    Raises:
        Amiss: naming the field.
    """
    if not isinstance(about, dict):
        raise Amiss("it says nothing about itself")
    odd = about.keys() ^ (_FIELDS.keys() | ({"tensors"} & about.keys()))
    if odd:
        raise Amiss(f"{min(odd)!r} is {'unknown' if min(odd) in about else 'missing'}")
    for name, fits in _FIELDS.items():
        if not fits(about[name]):
            raise Amiss(f"{name!r} is {_shown(about[name])}")
    for name, fits in _RECIPE.items():
        if not fits(about["recipe"].get(name)):
            raise Amiss(f"its recipe's {name!r} is {_shown(about['recipe'].get(name))}")


def check_tensors(about: Mapping[str, Any], embeds: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> None:
    """Refuses tensors that hold no numbers, or are not those that the fit says it has.

    Raises:
        Amiss: naming the tensor or the field.
    """
    for name, value in (*embeds.items(), *network.items()):
        if not value.is_floating_point():
            raise Amiss(f"{name!r} holds {str(value.dtype).removeprefix('torch.')}")
        if not torch.isfinite(value).all():
            raise Amiss(f"{name!r} holds values that are no numbers")
    counted = {"embeds": len(embeds), "network": len(network)}
    if about.get("tensors", counted) != counted:
        raise Amiss(f"it holds {_shown(counted)} of the tensors {_shown(about['tensors'])}")
    rank = about["recipe"]["parameters"].get("adapter_rank", about["rank"])
    if network and rank != about["rank"]:
        raise Amiss(f"its rank is {about['rank']} and its recipe's adapter_rank {_shown(rank)}")


def _whole(low: int, high: float = math.inf) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _named(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "method": _text,
    "recipe": lambda value: isinstance(value, dict),
    "rank": _whole(0, 512),
    "steps": _named(_whole(0)),
    "losses": _named(_number),
    "stopped": lambda value: value in STOPPED,
    "message": lambda value: isinstance(value, str),
    "seconds": lambda value: _number(value) and value >= 0,
}
_RECIPE: Mapping[str, Callable[[Any], bool]] = {
    "model": _text,
    "picture": _text,
    "target": _text,
    "source": lambda value: value is None or isinstance(value, str),
    "negative_prompt": lambda value: value is None or isinstance(value, str),
    "read_as": lambda value: value is None or isinstance(value, dict),
    "seed": _whole(0, 2**63 - 1),
    "parameters": lambda value: isinstance(value, dict),
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
