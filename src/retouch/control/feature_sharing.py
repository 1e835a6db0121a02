"""Adaptive feature sharing (E4C, Huang et al. 2024): either the source's layout or its content is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.control.words import prompts_of
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit
from retouch.parts.job import Job
from retouch.parts.part import Control
from retouch.parts.rows import Step, picked, taken_from_source
from retouch.prompts import changed_words

SharingMode = Literal["structure", "non-rigid"]


@dataclass
class FeatureSharing(Control):
    """Self-attention of the target in both guidance halves, in the decoder.

    ``structure``: Attention(Q_src, K_tgt, V_tgt), what is where stays and what it looks like may change.
    ``non-rigid``: Attention(Q_tgt, K_src, V_src), what it looks like stays and what is where may change.
    """

    name: ClassVar[str] = "feature-sharing"
    summary: ClassVar[str] = "the source's queries (structure), or its keys and values (non-rigid)"
    shares: ClassVar[bool] = True

    mode: Literal["auto", "structure", "non-rigid"] = parameter(
        "auto", "structure keeps what is where, non-rigid what it looks like; auto: by the words that change (e4c: by "
        "CLIP, after running both)",
        choices=("auto", "structure", "non-rigid"), source="E4C, section on adaptive feature sharing",
    )  # fmt: skip
    structure_share: float = parameter(
        0.6, "structure: share of the steps, from the first, that take the source's queries", low=0, high=1
    )
    non_rigid_start: float = parameter(
        0.08, "non-rigid: share of the steps before the source's keys and values are taken", low=0, high=1
    )
    sharing_levels: int = parameter(
        2, "non-rigid: how many of the finest decoder levels share (structure: all)", low=1, high=8
    )
    sharing_mode: SharingMode = field(default="structure", init=False)

    def idle(self, asked: Asked) -> Idle:
        """What belongs to the other mode."""
        self.decide(asked)
        if self.sharing_mode == "structure":
            other = f"the mode is structure{', by the words that change' if self.mode == 'auto' else ''}"
            found = dict.fromkeys(("non_rigid_start", "sharing_levels"), other)
            return found | asked.too_small(structure_share=self.structure_share)
        other = f"the mode is non-rigid{', by the words that change' if self.mode == 'auto' else ''}"
        found = {"structure_share": other}
        if self.non_rigid_start == 1:
            found["sharing_levels"] = "non_rigid_start is 1, and no step shares"
        return found

    def prepare(self, job: Job) -> None:
        """Decides the mode; without e4c's choice by CLIP, auto is non-rigid where a word was added or taken away."""
        self.decide(job)

    def decide(self, job: Job | Asked) -> None:
        """Sets :attr:`sharing_mode`."""
        if self.mode != "auto":
            self.sharing_mode = self.mode
            return
        old, new = changed_words(*prompts_of(job))
        self.sharing_mode = "structure" if len(old) == len(new) else "non-rigid"

    def layers(self, model: Backbone) -> frozenset[str]:
        """The names of the attention layers that share."""
        decoder = model.attention_layers(place="up", kind="self")
        levels = sorted({layer.level for layer in decoder})
        if self.sharing_mode == "non-rigid":
            levels = levels[: self.sharing_levels]
        return frozenset(layer.name for layer in decoder if layer.level in levels)

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The sharing."""
        return [_Sharing(self, self.layers(model))]


@dataclass(frozen=True)
class _Sharing(AttentionEdit):
    control: FeatureSharing
    names: frozenset[str]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.name in self.names

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        control, order = self.control, taken_from_source(step.rows)
        structure = control.sharing_mode == "structure"
        shares = step.within(control.structure_share) if structure else not step.within(control.non_rigid_start)
        if order is None or not shares:
            return query, key, value
        if structure:
            return picked(query, order), key, value
        return query, picked(key, order), picked(value, order)
