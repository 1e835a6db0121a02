"""One of several edits' places at a model: what it asks of the network is answered together with what others ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.errors import RetouchError
from retouch.parts.edits import Group

ALREADY = "attention is already edited on this model: pass all edits in one list."


@dataclass(eq=False)
class Call:
    """Something asked of the model: ``what`` by name, of rows [B, ...], each under a text.

    Attributes:
        timestep: of a prediction; one for all rows, or one for each.
        held: the changes to the network for these rows, see :class:`retouch.parts.edits.Group`.
        answer: filled in when it is answered, as is ``error`` where that failed.
    """

    what: str
    rows: Tensor
    condition: Condition | None = None
    timestep: int | Tensor = 0
    held: Group | None = None
    answer: Tensor | None = None
    error: BaseException | None = None

    @property
    def alike(self) -> tuple[Any, ...]:
        """What two calls must have in common to be answered together."""
        said = {} if self.condition is None else self.condition.tensors("text")
        shapes = tuple((name, value.shape[1:], value.dtype) for name, value in said.items())
        return self.what, self.rows.shape[1:], self.rows.dtype, shapes

    @property
    def differentiable(self) -> bool:
        """Whether a gradient may be wanted: such a call is answered by itself, as every graph is its own."""
        said = {} if self.condition is None else self.condition.tensors("text")
        return torch.is_grad_enabled() and any(value.requires_grad for value in (self.rows, *said.values()))


class Seat:
    """A backbone to whoever edits with it; all else is the model's.

    Attributes:
        evaluations: of the network for this one, in rows.
        held: what is attached for this one.
    """

    def __init__(self, model: Backbone, ask: Callable[[Call], Tensor]) -> None:
        self._model, self._ask = model, ask
        self.lock, self.evaluations = threading.RLock(), 0
        self.held: Group | None = None

    if not TYPE_CHECKING:  # to the checker it is what it says: a backbone

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seat) and other._model is self._model  # inversions kept from one seat serve the next

    def __hash__(self) -> int:
        return id(self._model)

    def working(self) -> AbstractContextManager[None]:
        """Nothing: whoever gave the seat has the model."""
        return nullcontext()

    @contextmanager
    def holding(self, group: Group) -> Iterator[None]:
        """The changes that go with all that is asked inside.

        Raises:
            RetouchError: when there are others.
        """
        if self.held is not None:
            raise RetouchError(ALREADY)
        self.held = group
        try:
            yield
        finally:
            self.held = None

    def encode(self, images: Tensor) -> Tensor:
        """As :meth:`Backbone.encode`."""
        return self._ask(Call("encode", images))

    def decode(self, latents: Tensor, condition: Condition | None = None) -> Tensor:
        """As :meth:`Backbone.decode`."""
        if condition is not None and len(condition) != len(latents):
            condition = condition.expand(len(latents))
        return self._ask(Call("decode", latents, condition))

    def predict(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """As :meth:`Backbone.predict`."""
        self.evaluations += len(latents)
        return self._ask(Call("predict", latents, condition, timestep, self.held))

    def predict_noise(self, latents: Tensor, timestep: int | Tensor, condition: Condition) -> Tensor:
        """As :meth:`Backbone.predict_noise`."""
        prediction = self.predict(latents, timestep, condition)
        kind = self._model.prediction_type
        if kind == "epsilon":
            return prediction
        return self._model.schedule(1).level_of(timestep, latents).noise(prediction, latents, kind)


def timesteps_of(calls: Sequence[Call], device: torch.device) -> int | Tensor:
    """The calls' timesteps: one for all rows where it is the same, one for each row [B] otherwise."""
    first = calls[0].timestep
    if all(isinstance(call.timestep, int) and call.timestep == first for call in calls):
        return first
    each = [torch.as_tensor(call.timestep, device=device).expand(len(call.rows)) for call in calls]
    return torch.cat(each)
