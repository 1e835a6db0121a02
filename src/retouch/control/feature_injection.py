"""Feature injection (Plug-and-Play, Tumanyan et al. 2023): the target takes over the source's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit, BlockEdit
from retouch.parts.part import Control
from retouch.parts.rows import Step, picked, taken_from_source

Injected = Literal["inner", "block"]


@dataclass
class FeatureInjection(Control):
    """The source's self-attention maps and one residual block's output, in both of the target's guidance halves.

    Self-attention: from the second attention of the coarsest decoder level that attends, up to the finest, the
    target takes the source's queries and keys, hence its maps. Residual features: of the second residual block of that
    level the inner branch, as in the authors' code, or the whole output, as in the paper's equation.
    """

    name: ClassVar[str] = "feature-injection"
    summary: ClassVar[str] = "the source's self-attention maps and decoder features; keeps the layout closely"
    aliases: ClassVar[tuple[str, ...]] = ("plug-and-play", "pnp")
    shares: ClassVar[bool] = True

    attention_share: float = parameter(
        0.5, "share of the steps that take the source's self-attention queries and keys", low=0, high=1,
        source="Plug-and-Play, section 4",
    )  # fmt: skip
    feature_share: float = parameter(
        0.8, "share of the steps that take the source's residual features", low=0, high=1,
        source="Plug-and-Play, section 4",
    )  # fmt: skip
    inject: Injected = parameter(
        "inner", "inner: the residual block's inner branch, its shortcut stays the target's; block: its whole output",
        choices=("inner", "block"), source="Plug-and-Play's code",
    )  # fmt: skip

    def idle(self, asked: Asked) -> Idle:
        """Shares of no step, and what is injected at none."""
        found = asked.too_small(attention_share=self.attention_share, feature_share=self.feature_share)
        return found if asked.acts(self.feature_share) else found | {"inject": "features are injected at no step"}

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The injection of queries and keys, from the decoder's second attention on, however many layers one has."""
        decoder = model.attention_layers(place="up", kind="self")
        first = decoder[0].module if decoder else ""  # a decoder that does not attend is said when it is attached
        names = frozenset(layer.name for layer in decoder if layer.module != first)
        return [_QueriesAndKeys(self.attention_share, names)]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """The injection of the residual block's features."""
        block = model.first_attending_decoder_block(1)
        return [_Features(self.feature_share, block.inner if self.inject == "inner" else block.name)]


@dataclass(frozen=True)
class _QueriesAndKeys(AttentionEdit):
    share: float
    names: frozenset[str]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.name in self.names

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        order = taken_from_source(step.rows)
        if order is None or not step.within(self.share):
            return query, key, value
        return picked(query, order), picked(key, order), value


@dataclass(frozen=True)
class _Features:
    share: float
    name: str

    def change(self, output: Tensor, step: Step) -> Tensor:
        order = taken_from_source(step.rows)
        return output if order is None or not step.within(self.share) else picked(output, order)
