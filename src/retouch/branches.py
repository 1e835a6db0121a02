"""The vocabulary of the editing loop: branches, the named rows of one network batch, and a step of the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from retouch.backbone.model import Backbone
    from retouch.backbone.schedule import Schedule


class Row(NamedTuple):
    """One row of a batch: which branch's latent is evaluated under which text. Rows are named, never counted."""

    branch: str
    text: str

    def __str__(self) -> str:
        return f"{self.branch}/{self.text}"


SOURCE = Row("source", "source")
TARGET = Row("target", "target")
TARGET_NULL = Row("target", "null")
SOURCE_NULL = Row("source", "null")

State = dict[str, "Tensor"]
"""The latents [1, C, h, w] of the branches denoised side by side, by branch name."""


@dataclass(frozen=True)
class Step:
    """One denoising step: ``index`` counts down the schedule (T-1 … 0), ``number`` counts up from 0, of ``total``."""

    index: int
    number: int
    total: int
    schedule: Schedule

    @property
    def timestep(self) -> int:
        """The training timestep at which the network is evaluated."""
        return self.schedule.timesteps[self.index]

    @property
    def done(self) -> float:
        """The share of the steps already taken, 0 at the first step."""
        return self.number / self.total


class Guidance(Protocol):
    """How the predictions of one step are combined, and the state moved one step down."""

    def rows(self, step: Step) -> Sequence[Row]:
        """The rows whose noise this step needs."""
        ...

    def advance(self, state: State, noise: Mapping[Row, Tensor], step: Step) -> State:
        """The state one step further down."""
        ...


class Control(Protocol):
    """What the branches share inside the network, and what is mended between steps."""

    def attached(self, model: Backbone) -> AbstractContextManager[object]:
        """A context in which the network obeys this control, and outside which it is as it was."""
        ...

    def begin(self, step: Step, rows: Sequence[Row]) -> None:
        """Called before the network is evaluated on ``rows``."""
        ...

    def after_step(self, state: State, step: Step) -> State:
        """The state to go on with."""
        ...
