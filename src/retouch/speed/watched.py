"""What an edit asks of a model: its network calls, and the time that texts and the autoencoder take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone

_AROUND = ("condition", "encode", "decode")


@dataclass(frozen=True)
class Spent:
    """Time: ``seconds`` of the clock, and ``processor`` seconds, which other programs do not lengthen."""

    seconds: float
    processor: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.seconds - other.seconds, self.processor - other.processor)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.processor + other.processor)


@dataclass(frozen=True)
class Call:
    """One evaluation of a batch: its shape, and which inputs a gradient was wanted of."""

    shape: tuple[int, ...]
    timestep: int | Tensor
    condition: Condition
    of_latents: bool
    of_texts: bool

    @property
    def backward(self) -> bool:
        """Whether there was a backward pass."""
        return self.of_latents or self.of_texts

    @property
    def alike(self) -> tuple[object, ...]:
        """What calls have in common that cost the same."""
        texts = tuple(value.shape for value in self.condition.tensors("text").values())
        return self.shape, texts, self.of_latents, self.of_texts

    def inputs(self, device: torch.device) -> tuple[Tensor, Condition]:
        """Latents of noise, and the texts, apart from what they came from."""
        noise = torch.Generator().manual_seed(0)
        latents = torch.randn(self.shape, generator=noise).to(device).requires_grad_(self.of_latents)
        embeds = self.condition.embeds.detach().clone().requires_grad_(self.of_texts)
        return latents, self.condition.with_embeds(embeds)


@dataclass
class Watched:
    """What was asked.

    Attributes:
        calls: of the network, in order.
        around: in texts and in the autoencoder.
    """

    calls: list[Call] = field(default_factory=list)
    around: Spent = field(default_factory=lambda: Spent(0, 0))

    @property
    def evaluations(self) -> int:
        """Rows of all batches."""
        return sum(call.shape[0] for call in self.calls)


@contextmanager
def watched(model: Backbone) -> Iterator[Watched]:
    """Writes down what is asked of the model in the body."""
    found, inside = Watched(), False
    own: dict[str, Callable[..., Any]] = {name: getattr(model, name) for name in ("predict", *_AROUND)}

    def predict(latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        grad = torch.is_grad_enabled()
        wanted = grad and latents.requires_grad, grad and condition.embeds.requires_grad
        found.calls.append(Call(tuple(latents.shape), timestep, condition, *wanted))
        answer: Tensor = own["predict"](latents, timestep, condition)
        return answer

    def timed(name: str) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> Any:
            nonlocal inside
            if inside:  # a second stage reads texts by itself
                return own[name](*given, **more)
            inside, began = True, now(model.device)
            try:
                return own[name](*given, **more)
            finally:
                inside = False
                found.around = found.around + (now(model.device) - began)

        return called

    changed = {"predict": predict, **{name: timed(name) for name in _AROUND}}
    for name, function in changed.items():
        setattr(model, name, function)
    try:
        yield found
    finally:
        for name in changed:
            delattr(model, name)  # the class's own again


def now(device: torch.device) -> Spent:
    """The clocks, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return Spent(time.perf_counter(), time.process_time())


def run_bare(model: Backbone, calls: Sequence[Call]) -> Spent:
    """The same network calls with nothing around them, and no edit."""
    given = [call.inputs(model.device) for call in calls]
    began = now(model.device)
    for call, (latents, condition) in zip(calls, given, strict=True):
        with torch.set_grad_enabled(call.backward):
            out = model.predict(latents, call.timestep, condition)
            if call.backward:
                out.sum().backward()
    return now(model.device) - began


def flops(model: Backbone, calls: Sequence[Call]) -> int:
    """Floating-point operations of the calls: products and sums of the network's layers, backward passes included.

    Counted on tensors without values, each shape once: nothing is computed.
    """
    known: dict[tuple[object, ...], int] = {}
    for call in calls:
        if call.alike not in known:
            known[call.alike] = _counted(model, call)
    return sum(known[call.alike] for call in calls)


def _counted(model: Backbone, call: Call) -> int:
    latents, condition = call.inputs(model.device)
    counter, fake = FlopCounterMode(display=False), FakeTensorMode(allow_non_fake_inputs=True)
    # the counter knows the plain attention of every device, not the fused ones of all
    with fake, counter, sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(call.backward):
        out = model.predict(fake.from_tensor(latents), call.timestep, condition)
        if call.backward:
            out.sum().backward()
    return int(counter.get_total_flops())
