"""Prompt-to-Prompt (Hertz et al. 2022): the target branch sees through the source branch's attention maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import SOURCE, TARGET, Row, State, Step
from retouch.control.local_blend import LocalBlend
from retouch.prompts import Tokens, per_token, refinement_mapping, replacement_mapping

Aligner = Literal["auto", "replace", "refine"]
ReweightWhile = Literal["replacing", "always"]


@dataclass(frozen=True)
class TokenAlignment:
    """How the source's cross-attention maps become the target's: ``maps @ mapping`` where ``shared``, own elsewhere."""

    mapping: Tensor  # [source tokens, target tokens]
    shared: Tensor  # [target tokens], 0 or 1

    @classmethod
    def between(cls, source: Tokens, target: Tokens, aligner: Aligner) -> TokenAlignment:
        """The alignment of two prompts; ``auto`` replaces when they have equally many words, else refines."""
        if aligner == "auto":
            aligner = "replace" if len(source.words) == len(target.words) else "refine"
        if aligner == "replace":
            return cls(replacement_mapping(source, target), torch.ones(target.length))
        return cls(*refinement_mapping(source, target))


class PromptToPrompt:
    """Replaces the target's attention maps by the source's for a share of the steps.

    Args:
        source, target: the tokenized prompts.
        aligner: ``replace`` (word for word), ``refine`` (alignment; new tokens keep their own maps) or ``auto``.
        cross_replace_steps: share of the steps (0..1) in which cross-attention maps are replaced.
        cross_replace_words: this share for single target words.
        self_replace_steps: the same for self-attention maps.
        self_replace_downsampling: self-attention is replaced where the map is at least this many times coarser than
            the latent; 4 is the paper's 16×16 of 64×64.
        reweight: factors for the maps of single target words.
        reweight_while: ``replacing``, only while a word's cross-attention is replaced, as in the authors' code; or
            ``always``.
        blend: keeps the target equal to the source outside the named words' region.

    Raises:
        BadPrompt: when a named word is not in its prompt, or ``replace`` meets prompts of different length.
    """

    reads_source_null = False

    def __init__(
        self,
        source: Tokens,
        target: Tokens,
        *,
        aligner: Aligner = "auto",
        cross_replace_steps: float = 0.8,
        cross_replace_words: Mapping[str, float] | None = None,
        self_replace_steps: float = 0.6,
        self_replace_downsampling: int = 4,
        reweight: Mapping[str, float] | None = None,
        reweight_while: ReweightWhile = "replacing",
        blend: LocalBlend | None = None,
    ) -> None:
        self.alignment = TokenAlignment.between(source, target, aligner)
        self.cross_share = per_token(target, cross_replace_words or {}, cross_replace_steps)
        self.self_share = self_replace_steps
        self.downsampling = self_replace_downsampling
        self.factors, self.reweight_while = per_token(target, reweight or {}, 1.0), reweight_while
        self.blend = blend

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """Hands the source's maps to the target, and reads the blend words' maps."""
        coarsest = max(layer.downsampling for layer in model.attention_layers(kind="self"))
        edits: list[AttentionEdit] = [
            _CrossMaps(self, model.device),
            _SelfMaps(self.self_share, min(self.downsampling, coarsest)),
        ]
        return [*edits, self.blend.recorder(model)] if self.blend else edits

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """None."""
        return ()

    def after_step(self, state: State, step: Step) -> State:
        """The state, blended with the source where a local blend is set."""
        return self.blend.apply(state, step) if self.blend else state


class _CrossMaps(AttentionEdit):
    """Cross-attention, per token: A_tgt ← (α A_src · mapping + (1 − α) A_tgt) · factors while maps are replaced."""

    def __init__(self, control: PromptToPrompt, device: torch.device) -> None:
        self.mapping = control.alignment.mapping.to(device)
        self.shared = control.alignment.shared.to(device)
        self.share, self.factors = control.cross_share, control.factors.float().to(device)
        self.last, self.reweights = float(control.cross_share.max()), bool((control.factors != 1).any())
        self.always = self.reweights and control.reweight_while == "always"

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "cross"

    def rows_with_probs(self, layer: AttentionLayer, moment: Moment) -> Sequence[Row]:
        if moment.within(self.last):
            return [SOURCE, TARGET]
        return [TARGET] if self.always else []

    def change_probs(self, layer: AttentionLayer, moment: Moment, probs: dict[Row, Tensor]) -> dict[Row, Tensor]:
        if TARGET not in probs:
            return probs
        own = probs[TARGET]
        if SOURCE not in probs or not moment.within(self.last):
            return {**probs, TARGET: own * self.factors.to(own)} if self.always else probs
        assert moment.step is not None
        steps = (self.share * moment.step.total + 1e-9).long()  # per target token, rounded down
        now = (moment.number < steps).to(own)
        kept = self.shared.to(own) * now
        mixed = (probs[SOURCE] @ self.mapping.to(own)) * kept + own * (1 - kept)
        if self.reweights:
            factors = self.factors.to(own)
            mixed = mixed * (factors if self.always else torch.where(now > 0, factors, torch.ones_like(factors)))
        return {**probs, TARGET: mixed}


@dataclass(frozen=True)
class _SelfMaps(AttentionEdit):
    """Self-attention: equal maps are equal queries and keys, so the target takes both and stays fused."""

    share: float
    downsampling: int

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self" and layer.downsampling >= self.downsampling

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = list(moment.rows)
        if not moment.within(self.share) or SOURCE not in rows or TARGET not in rows:
            return query, key, value
        source, target = rows.index(SOURCE), rows.index(TARGET)
        order = [source if i == target else i for i in range(len(rows))]
        return query[order], key[order], value
