"""Feature injection (Plug-and-Play, Tumanyan et al. 2023): the target takes over the source's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import State, Step, taken_from_source

Injected = Literal["inner", "block"]


class FeatureInjection:
    """The source's self-attention maps and one residual block's output, in both of the target's guidance halves.

    Self-attention: from the second attention of the coarsest decoder level that attends, up to the finest, the
    target takes the source's queries and keys, hence its maps. Residual features: of the second residual block of that
    level the inner branch, as in the authors' code, or the whole output, as in the paper's equation.

    Args:
        attention_share: share of the steps (0..1), from the first, in which queries and keys are injected.
        feature_share: the same for the residual features.
        inject: ``inner`` leaves the target the block's shortcut, ``block`` takes the whole output.
    """

    reads_source_null = False

    def __init__(self, *, attention_share: float = 0.5, feature_share: float = 0.8, inject: Injected = "inner") -> None:
        self.attention_share, self.feature_share, self.inject = attention_share, feature_share, inject

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The injection of queries and keys."""
        decoder = model.attention_layers(place="up", kind="self")
        return [_QueriesAndKeys(self.attention_share, frozenset(layer.name for layer in decoder[1:]))]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """The injection of the residual block's features."""
        block = model.first_attending_decoder_block(1)
        return [_Features(self.feature_share, block.inner if self.inject == "inner" else block.name)]

    def after_step(self, state: State, step: Step) -> State:
        """The state as it is."""
        return state


@dataclass(frozen=True)
class _QueriesAndKeys(AttentionEdit):
    share: float
    names: frozenset[str]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.name in self.names

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        order = taken_from_source(moment.rows)
        if order is None or not moment.within(self.share):
            return query, key, value
        return query[order], key[order], value


@dataclass(frozen=True)
class _Features:
    share: float
    name: str

    def change(self, output: Tensor, moment: Moment) -> Tensor:
        order = taken_from_source(moment.rows)
        return output if order is None or not moment.within(self.share) else output[order]
