"""Where and how precisely a network computes, from what a user names."""

from __future__ import annotations

import torch

from retouch.errors import BadParameter


def precision_named(wanted: torch.dtype | str | None) -> torch.dtype | None:
    """The precision called ``wanted``; None where nothing is.

    Raises:
        BadParameter: when there is no such precision.
    """
    known = {str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.float16, torch.bfloat16)}
    if wanted is None or wanted in known.values():
        return wanted if isinstance(wanted, torch.dtype) else None
    chosen = known.get(str(wanted).removeprefix("torch."))
    if chosen is None:
        raise BadParameter(f"the precision {str(wanted)!r} is not known: give one of {', '.join(known)}.")
    return chosen


def device_named(wanted: str | torch.device | None) -> torch.device:
    """The device called ``wanted``; where nothing is, cuda, else mps, else the CPU.

    Raises:
        BadParameter: when there is no such device here.
    """
    if wanted is None:
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    refusal = BadParameter(f"the device {str(wanted)!r} is not available here: give cpu, cuda or mps.")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise refusal from error
    if device.type not in ("cpu", "cuda", "mps", "xpu"):  # others compute nothing, or need packages of their own
        raise refusal
    try:
        torch.empty(1, device=device)
    except torch.OutOfMemoryError as error:  # it is there, and full
        raise BadParameter(f"{device} has no free memory: close other programs, or give another device.") from error
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise refusal from error
    return device
