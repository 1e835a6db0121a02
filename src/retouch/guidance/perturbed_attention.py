"""Perturbed-attention guidance (Ahn et al. 2024): away from what the network sees without self-attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit
from retouch.parts.part import Addition, Predictions
from retouch.parts.rows import TARGET, Branch, Row, Step

Layers = Literal["mid", "down", "up", "all"]


@dataclass
class PerturbedAttention(Addition):
    """ε̃ = (the base's ε̃) + s (ε(c) − ε̂(c)): in ε̂ self-attention is the identity, each place sees only itself (eq. 15).

    It acts on the target branch; the source should reproduce the picture. One more evaluation per step, in the same
    batch. Where the base asks for no prediction under the target prompt, as with concepts, c is the null text.
    """

    name: ClassVar[str] = "perturbed-attention"
    summary: ClassVar[str] = "away from a prediction without self-attention, on top of another guidance: firmer shapes"
    aliases: ClassVar[tuple[str, ...]] = ("pag",)

    pag_scale: float = parameter(
        3.0, "s: how strongly; 0 is none", low=0, high=50, source="section 5; diffusers' pag_scale"
    )
    pag_layers: Layers = parameter(
        "mid", "where self-attention is left out", choices=("mid", "down", "up", "all"), source="section 5.3"
    )
    _plain: Row = field(default=TARGET, init=False)  # whose prediction is compared with its perturbed one

    def is_off(self) -> bool:
        """At s = 0."""
        return self.pag_scale == 0

    def idle(self, asked: Asked) -> Idle:
        """The layers where nothing is perturbed."""
        return {"pag_layers": "pag_scale is 0"} if self.is_off() else {}

    def rows_with(self, rows: Sequence[Row], branch: Branch, step: Step) -> Sequence[Row]:
        """The target's prompt once more."""
        if self.is_off() or branch.name != "target":
            return rows
        assert self.base is not None
        self._plain = branch.text if branch.text in self.base.rows(branch, step) else branch.null
        return [*rows, self._perturbed]

    @property
    def _perturbed(self) -> Row:
        return self._plain._replace(variant="perturbed")

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The perturbation, of its row alone."""
        return [_OnlyItself(self.pag_layers)] if self.pag_scale else []

    def shifted(self, predictions: Predictions, branch: Branch, step: Step) -> Predictions:
        """All of the target's, by the same: so their combination is."""
        if self.is_off() or branch.name != "target":
            return predictions
        shift = self.pag_scale * (predictions[self._plain] - predictions[self._perturbed])
        return {
            row: value + shift if row.branch == "target" and not row.variant else value
            for row, value in predictions.items()
        }


@dataclass(frozen=True)
class _OnlyItself(AttentionEdit):
    """Every query looks at its own key alone, so that what comes out are the values."""

    layers: Layers

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self" and self.layers in ("all", layer.place)

    def allowed(self, layer: AttentionLayer, step: Step, queries: int, keys: int) -> dict[Row, Tensor]:
        itself = torch.eye(queries, keys, dtype=torch.bool)
        return {row: itself for row in step.rows if row.variant == "perturbed"}
