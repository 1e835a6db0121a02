"""Changes to a network while it is evaluated: of attention, and of what blocks give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.parts.rows import Row, Step


class Now:
    """The step that the network is evaluated in right now; the loop sets it, attached edits are handed it."""

    step: Step

    def within(self, share: float) -> bool:
        """Whether this is among the first ``share`` of the steps."""
        assert self.step is not None
        return self.step.within(share)


class AttentionEdit:
    """A change to attention; this one changes nothing. Tensors are [rows, heads, tokens, dim] and [heads, Q, K]."""

    def wants(self, layer: AttentionLayer) -> bool:
        """Whether this edit touches the layer at all."""
        raise TypeError(f"{type(self).__name__} does not say which layers it wants")

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The queries, keys and values to attend with."""
        return query, key, value

    def allowed(self, layer: AttentionLayer, step: Step, queries: int, keys: int) -> dict[Row, Tensor]:
        """For single rows, which key [Q, K] each query may look at (bool); all rows see everything otherwise."""
        return {}

    def rows_with_probs(self, layer: AttentionLayer, step: Step) -> Sequence[Row]:
        """The rows whose attention probabilities this edit needs now; none lets every row use fused attention."""
        return ()

    def change_probs(self, layer: AttentionLayer, step: Step, probs: dict[Row, Tensor]) -> dict[Row, Tensor]:
        """The probabilities to use for the rows asked for; those that other edits asked for may be among them."""
        return probs


class BlockEdit(Protocol):
    """A look at, or a change to, the output of one block of the network."""

    @property
    def name(self) -> str:
        """The block's module path in the U-Net."""
        ...

    def change(self, output: Tensor, step: Step) -> Tensor:
        """The output [rows, channels, h, w] to go on with."""
        ...


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of a batch that belong together, and what is changed about the network for them alone.

    Attributes:
        now: the step that these rows are evaluated in.
        rows: where they lie in the batch; by default all of it is theirs.
    """

    edits: Sequence[AttentionEdit]
    blocks: Sequence[BlockEdit]
    now: Now
    rows: slice = field(default_factory=lambda: slice(None))

    def wanting(self, layers: Sequence[AttentionLayer]) -> Group:
        """The same with those edits alone that touch one of the layers."""
        return replace(self, edits=[edit for edit in self.edits if any(edit.wants(layer) for layer in layers)])
