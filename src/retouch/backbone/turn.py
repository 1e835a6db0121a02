"""One edit at a time on one model, in a state of torch that the caller's own cannot disturb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from retouch.backbone.protocol import Backbone
from retouch.errors import RetouchError


@contextmanager
def clean_state(device: torch.device) -> Iterator[None]:
    """Gradients allowed, no inference mode, no autocast, torch's own defaults, whatever surrounds the call."""
    with (
        _own_defaults(),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast(device.type, enabled=False),
    ):
        yield


@contextmanager
def _own_defaults() -> Iterator[None]:
    """New tensors are float32 and on the CPU where nothing else is said, as torch makes them if nobody changes it."""
    kind, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        if kind != torch.float32:
            torch.set_default_dtype(torch.float32)
        with torch.device("cpu") if device.type != "cpu" else nullcontext():
            yield
    finally:
        if kind != torch.float32:
            torch.set_default_dtype(kind)


@contextmanager
def turn(model: Backbone) -> Iterator[None]:
    """The model for oneself: other threads wait for their turn. In a :func:`clean_state`.

    Raises:
        RetouchError: when the device's memory ran out inside.
    """
    with model.lock, clean_state(model.device):
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise RetouchError(
                f"{model.device} has too little free memory for {model.name!r}: close other programs, or use the cpu."
            ) from error
