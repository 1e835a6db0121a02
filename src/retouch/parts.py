"""What a control and a guidance are to the loop that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.model import Backbone
from retouch.branches import Row, State, Step


class Inside(Protocol):
    """What acts inside the network while the loop runs: the loop attaches it, and detaches it whatever happens."""

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """Its changes to attention layers."""
        ...

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """Its changes to the outputs of blocks."""
        ...


class Guidance(Inside, Protocol):
    """How the predictions of one step are combined, and the target moved one step down."""

    @property
    def guidance_scale(self) -> float:
        """w; 1 is no guidance. The source branch, where it has a null half, is guided alike."""
        ...

    def rows(self, step: Step) -> Sequence[Row]:
        """The rows, other than the source branch's, whose noise this step needs."""
        ...

    def advance(self, target: Tensor, noise: Mapping[Row, Tensor], step: Step, moment: Moment) -> Tensor:
        """The target's latents [1, C, h, w] one step further down."""
        ...

    def advance_source(self, source: Tensor, combined: Tensor, step: Step) -> Tensor:
        """The source's latents [1, C, h, w] one step further down, from its combined predicted noise."""
        ...


class Control(Inside, Protocol):
    """What the target shares with the source inside the network, and what is mended between steps."""

    reads_source_null: bool
    """Whether the source's null half is looked at, even where it is not needed to move the source branch."""

    def after_step(self, state: State, step: Step) -> State:
        """The state to go on with."""
        ...
