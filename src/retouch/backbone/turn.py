"""One edit at a time on one model, in a state of torch that the caller's own cannot disturb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from retouch.backbone.protocol import Backbone


@contextmanager
def clean_state(device: torch.device) -> Iterator[None]:
    """Gradients allowed, no inference mode, no autocast, whatever surrounds the call."""
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast(device.type, enabled=False),
    ):
        yield


@contextmanager
def turn(model: Backbone) -> Iterator[None]:
    """The model for oneself: other threads wait for their turn. In a :func:`clean_state`."""
    with model.lock, clean_state(model.device):
        yield
