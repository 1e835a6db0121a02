"""One edit at a time on one model, in a state of torch that the caller's own cannot disturb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import local

import torch

from retouch.backbone.protocol import Backbone
from retouch.errors import RetouchError

_THREAD = local()
"""Of every thread the models that it is at work with."""


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
def turn(model: Backbone, *, within: bool = False) -> Iterator[None]:
    """The model for oneself: other threads wait for their turn. In a :func:`clean_state`.

    Args:
        within: whether it may be taken inside a turn of the same thread: for what attaches nothing to the network.

    Raises:
        RetouchError: when the device's memory ran out inside, or this thread is at work with the model already.
    """
    inner = any(other.lock is model.lock for other in _at_work())
    if inner and not within:
        raise RetouchError(
            f"an edit with {model.name!r} is going on in this thread, perhaps one that called its progress or detail: "
            "begin the next one when it is done."
        )
    lent = nullcontext() if inner else model.working()
    # the device once more: a live pipeline's owner may have moved it since the last turn
    with model.lock, clean_state(model.device), lent, torch.autocast(model.device.type, enabled=False), at_work(model):
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise out_of_memory(model) from error
        except RuntimeError as error:
            if "DefaultCPUAllocator" not in str(error):  # torch's own name for what MemoryError says elsewhere
                raise
            raise out_of_memory(model) from error


def out_of_memory(model: Backbone) -> RetouchError:
    """What is said where memory ran out, and what takes less."""
    less = {
        "fast": "load the model with memory=low (--memory low), take a smaller size",
        "balanced": "load the model with memory=low (--memory low), take a smaller size",
        "low": "take a smaller size, a method that takes no gradients",
    }[model.memory]
    here = "" if model.device.type == "cpu" else " or use the cpu"
    return RetouchError(
        f"{model.device} has too little free memory for {model.name!r}: {less}, close other programs{here}."
    )


@contextmanager
def at_work(model: Backbone) -> Iterator[None]:
    """This thread works with the model: no turn of its own begins inside."""
    models = _at_work()
    models.append(model)
    try:
        yield
    finally:
        models.pop()


def _at_work() -> list[Backbone]:
    models: list[Backbone] = _THREAD.__dict__.setdefault("at_work", [])
    return models
