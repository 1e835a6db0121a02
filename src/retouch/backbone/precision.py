"""Half precision without NaN: what overflows is computed anew in float32, or named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from retouch.backbone.quiet import quietly
from retouch.errors import RetouchError

HALVES = (torch.float16, torch.bfloat16)

WIDENED = "the autoencoder overflows in {kind}: it was computed with in float32 instead."


def through_autoencoder(
    vae: Any, values: Tensor, compute: Callable[[Tensor], Tensor], say: Callable[[str], None]
) -> Tensor:
    """What an autoencoder makes of values, float32; computed anew in float32 where half precision overflows.

    Its weights go back to their own type then: the next edit is computed as this one was.

    Args:
        compute: the half of the autoencoder that is meant, given values on its device and of its type.
        say: told in a sentence when it was.

    Raises:
        RetouchError: when the result is not finite in float32 either, or its weights cannot be widened.
    """
    own = vae.dtype
    result = compute(values.to(own)).float()
    if own not in HALVES or bool(torch.isfinite(result).all()):
        return result
    if not bool(torch.isfinite(values).all()):
        return result  # what went in was not finite: the caller knows better why
    if any(weight.is_meta for weight in vae.parameters()):
        raise RetouchError(
            f"the autoencoder overflows in {_name(own)}, and its weights are offloaded: load it in float32."
        )
    try:
        with quietly():
            vae.to(torch.float32)
        result = compute(values.float())
    finally:
        with quietly():
            vae.to(own)  # what comes from half precision goes back to the same bits
    if not bool(torch.isfinite(result).all()):
        raise RetouchError("the autoencoder gives values that are not numbers, in float32, too: its file is damaged.")
    say(WIDENED.format(kind=_name(own)))
    return result


def check_said(states: Tensor, kind: torch.dtype, name: str) -> None:
    """Refuses what a text encoder in half precision says where that is not finite.

    Raises:
        RetouchError: saying so.
    """
    if kind in HALVES and not bool(torch.isfinite(states).all()):
        raise RetouchError(f"the text encoder of {name!r} overflows in {_name(kind)}: {_remedy(kind)}.")


class Watch:
    """Whether predictions stay finite: looked at where they are, and asked once at the end.

    Nothing here waits for the device before :meth:`check`.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[int | Tensor, Tensor]] = []

    def seen(self, values: Tensor, timestep: int | Tensor) -> Tensor:
        """The values; whether all of this timestep's are finite is kept."""
        self._seen.append((timestep, torch.isfinite(values.detach()).all()))
        return values

    def check(self, model: str, kind: torch.dtype) -> None:
        """Refuses a run in which some were not.

        Raises:
            RetouchError: naming the first step, and what to do.
        """
        if not self._seen:
            return
        fine = torch.stack([flag for _, flag in self._seen]).tolist()
        if all(fine):
            return
        first = fine.index(False)
        where = f"at step {first + 1} of {len(fine)} (timestep {int(self._seen[first][0])})"
        if kind in HALVES:
            raise RetouchError(f"the network of {model!r} overflows in {_name(kind)} {where}: {_remedy(kind)}.")
        raise RetouchError(
            f"the network of {model!r} predicts values that are not numbers {where}: try a lower guidance_scale; where "
            "that is not it, its file is damaged."
        )


def _remedy(kind: torch.dtype) -> str:
    other: Sequence[str] = ("bfloat16", "float32") if kind == torch.float16 else ("float32",)
    return f"load it in {' or '.join(other)} (--dtype {other[0]})"


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
