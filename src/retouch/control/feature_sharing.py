"""Adaptive feature sharing (E4C, Huang et al. 2024): either the source's layout or its content is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import State, Step, taken_from_source

SharingMode = Literal["structure", "non-rigid"]


class FeatureSharing:
    """Self-attention of the target in both guidance halves, in the decoder.

    ``structure``: Attention(Q_src, K_tgt, V_tgt), what is where stays and what it looks like may change.
    ``non-rigid``: Attention(Q_tgt, K_src, V_src), what it looks like stays and what is where may change.

    Args:
        mode: which.
        start_share, end_share: shares of the steps (0..1) between which there is sharing.
        decoder_levels: how many of the finest decoder levels that attend share.
    """

    reads_source_null = False

    def __init__(
        self, mode: SharingMode, *, start_share: float = 0.0, end_share: float = 1.0, decoder_levels: int = 8
    ) -> None:
        self.mode, self.start_share, self.end_share, self.decoder_levels = mode, start_share, end_share, decoder_levels

    def layers(self, model: Backbone) -> frozenset[str]:
        """The names of the attention layers that share."""
        decoder = model.attention_layers(place="up", kind="self")
        levels = sorted({layer.level for layer in decoder})[: self.decoder_levels]
        return frozenset(layer.name for layer in decoder if layer.level in levels)

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The sharing."""
        return [_Sharing(self, self.layers(model))]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """None."""
        return ()

    def after_step(self, state: State, step: Step) -> State:
        """The state as it is."""
        return state


@dataclass(frozen=True)
class _Sharing(AttentionEdit):
    control: FeatureSharing
    names: frozenset[str]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.name in self.names

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        control, order = self.control, taken_from_source(moment.rows)
        if order is None or moment.within(control.start_share) or not moment.within(control.end_share):
            return query, key, value
        if control.mode == "structure":
            return query[order], key, value
        return query, key[order], value[order]
