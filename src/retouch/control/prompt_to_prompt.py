"""Prompt-to-Prompt (Hertz et al. 2022): the target branch sees through the source branch's attention maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.control.local_blend import LocalBlend
from retouch.control.words import local_blend, prompts_of
from retouch.errors import BadParameter
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit
from retouch.parts.job import Job
from retouch.parts.part import Control
from retouch.parts.rows import SOURCE, TARGET, Row, State, Step, picked, variants_of
from retouch.prompts import Tokens, per_token, refinement_mapping, replacement_mapping, word_numbers

Aligner = Literal["auto", "replace", "refine"]
ReweightWhile = Literal["replacing", "always"]


def replaced_steps(share: float | Tensor, total: int) -> Tensor:
    """How many of ``total`` steps a share replaces cross-attention at: int(share · (total + 1)), at most all.

    Prompt-to-Prompt's code writes its shares into a table of one row more than there are steps: 0.75 of 10 steps are 8.
    Shares of self-attention are of the steps themselves. One share or several, in a tensor; whole numbers.
    """
    return (torch.as_tensor(share, dtype=torch.float64) * (total + 1) + 1e-9).long().clamp(max=total)


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


@dataclass
class PromptToPrompt(Control):
    """Replaces the target's attention maps by the source's for a share of the steps."""

    name: ClassVar[str] = "prompt-to-prompt"
    summary: ClassVar[str] = "the source's attention maps, word by word; keeps layout and outlines"
    aliases: ClassVar[tuple[str, ...]] = ("p2p",)
    shares: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    cross_replace_steps: float = parameter(
        0.8, "share of the steps, T + 1 of them, rounded down, that keep the source's cross-attention (what is where)",
        low=0, high=1, source="Prompt-to-Prompt, section 3.2 and code",
    )  # fmt: skip
    self_replace_steps: float = parameter(
        0.6, "share of the steps that keep the source's self-attention (shape and layout)", low=0, high=1,
        source="Prompt-to-Prompt, section 3.2",
    )  # fmt: skip
    self_replace_downsampling: int = parameter(
        4, "self-attention is kept at levels at least this much coarser than the latent: 4 is 16x16 of 64x64, 1 is all",
        low=1, high=64, source="Prompt-to-Prompt's code",
    )  # fmt: skip
    aligner: Aligner = parameter(
        "auto", "how words correspond: replace word for word, refine by alignment, auto chooses by word count",
        choices=("auto", "replace", "refine"),
    )  # fmt: skip
    blend_words: str = parameter(
        "none", "words whose region may change, the rest is kept; 'none' for everywhere, 'auto' for the changed words",
        kind="text",
    )  # fmt: skip
    blend_threshold: float = parameter(
        0.3, "how much of the blend words' attention counts as their region", low=0, high=1
    )
    reweight: str = parameter("", "factors for target words' attention, as word=number, e.g. hat=2", kind="text")
    reweight_while: ReweightWhile = parameter(
        "replacing", "replacing: factors act while the word's cross-attention is replaced; always: at every step",
        choices=("replacing", "always"), source="Prompt-to-Prompt's code",
    )  # fmt: skip
    cross_replace_words: str = parameter(
        "", "cross_replace_steps (0..1) for single target words, as word=number, e.g. hat=0.4", kind="text"
    )
    alignment: TokenAlignment | None = field(default=None, init=False)
    shares_of_words: Tensor = field(default_factory=lambda: torch.zeros(0), init=False)  # per target token
    factors: Tensor = field(default_factory=lambda: torch.zeros(0), init=False)  # per target token
    blend: LocalBlend | None = field(default=None, init=False)

    def check(self, steps: int) -> None:
        """Refuses weights that would never act."""
        shares = word_numbers(self.cross_replace_words, 0, 1)
        for word in word_numbers(self.reweight, -20, 20) if self.reweight_while == "replacing" else ():
            name = "cross_replace_words" if word in shares else "cross_replace_steps"
            share = shares.get(word, self.cross_replace_steps)
            if not replaced_steps(share, steps):
                raise BadParameter(
                    f"reweight is {self.reweight!r}, but it acts while cross-attention is replaced, and no step does "
                    f"that for {word!r} ({name} is {share:g} of {steps} steps): raise {name}, or set "
                    "reweight_while=always."
                )

    def edits_by_itself(self) -> bool:
        """Where a word is reweighted."""
        return any(factor != 1 for factor in word_numbers(self.reweight, -20, 20).values())

    def idle(self, asked: Asked) -> Idle:
        """What belongs to blending, reweighting or replacing where there is none of it."""
        self.align(*prompts_of(asked), "none" if asked.masked else self.blend_words)
        found = asked.too_small(self_replace_steps=self.self_replace_steps)
        if self.cross_replace_steps > 0 and not replaced_steps(self.cross_replace_steps, asked.steps):
            found |= asked.none_of(cross_replace_steps=self.cross_replace_steps)
        blends = self.blend_words.strip().lower() not in ("none", "")
        if self.blend is None and blends:
            found["blend_words"] = (
                "the mask says where the edit may happen" if asked.masked else "the prompts differ in no word"
            )
        if self.blend is None:
            found["blend_threshold"] = "no region is blended"
        if bool((self.factors == 1).all()):
            found["reweight_while"] = "no word is reweighted"
        if not replaced_steps(self.shares_of_words, asked.steps).any():
            found["aligner"] = "cross-attention is replaced at no step"
        if not asked.acts(self.self_replace_steps):
            found["self_replace_downsampling"] = "self-attention is replaced at no step"
        if self.cross_replace_words and not self._words_matter(asked):
            found["cross_replace_words"] = (
                "its words have no counterpart in the source prompt whose attention they could take, or it says what "
                "cross_replace_steps says"
            )
        return found

    def _words_matter(self, asked: Asked) -> bool:
        """Whether a word's own share of the steps leads to other maps, or to other steps at which it is reweighted."""
        assert self.alignment is not None
        of_words, of_all = (replaced_steps(x, asked.steps) for x in (self.shares_of_words, self.cross_replace_steps))
        other = of_words != of_all
        weighted = (self.factors != 1) & (self.reweight_while == "replacing")
        return bool((other & ((self.alignment.shared > 0) | weighted)).any())

    def prepare(self, job: Job) -> None:
        """Aligns the prompts; a user's mask takes the place of the blend words."""
        source, target = prompts_of(job)
        self.align(source, target, "none" if job.mask is not None else self.blend_words)

    def align(self, source: Tokens, target: Tokens, blend_words: str = "none") -> None:
        """Finds the named words, and how the words of two prompts correspond.

        Raises:
            BadPrompt: when a named word is not in its prompt, or ``replace`` meets prompts of different length.
        """
        self.alignment = TokenAlignment.between(source, target, self.aligner)
        by_word = word_numbers(self.cross_replace_words, 0, 1)
        self.shares_of_words = per_token(target, by_word, self.cross_replace_steps)
        self.factors = per_token(target, word_numbers(self.reweight, -20, 20), 1.0)
        self.blend = local_blend(source, target, blend_words, self.blend_threshold)

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """Hands the source's maps to the target, and reads the blend words' maps."""
        coarsest = max((layer.downsampling for layer in model.attention_layers(kind="self")), default=1)
        edits: list[AttentionEdit] = [
            _CrossMaps(self, model.device),
            _SelfMaps(self.self_replace_steps, min(self.self_replace_downsampling, coarsest)),
        ]
        return [*edits, self.blend.recorder(model)] if self.blend else edits

    def after_step(self, state: State, step: Step) -> State:
        """The state, blended with the source where a local blend is set."""
        return self.blend.apply(state, step) if self.blend else state

    def mask(self) -> Tensor | None:
        """The local blend's."""
        return self.blend.mask if self.blend else None


class _CrossMaps(AttentionEdit):
    """Cross-attention, per token: A_tgt ← (α A_src · mapping + (1 − α) A_tgt) · factors while maps are replaced."""

    def __init__(self, control: PromptToPrompt, device: torch.device) -> None:
        alignment = control.alignment
        assert alignment is not None
        self.mapping, self.shared = alignment.mapping.to(device), alignment.shared.to(device)
        self.share, self.factors = control.shares_of_words, control.factors.float().to(device)
        self.reweights = bool((control.factors != 1).any())
        self.always = self.reweights and control.reweight_while == "always"
        self._of: tuple[int, int, torch.dtype] | None = None  # the step that the next three are for, and their type
        self._last, self._taken, self._own = 0, self.mapping, self.shared
        self._steps = self.mapping.new_empty(0)  # by step, see _now

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "cross"

    def rows_with_probs(self, layer: AttentionLayer, step: Step) -> Sequence[Row]:
        if self._replaces(step):
            return [SOURCE, *variants_of(TARGET, step.rows)]
        return variants_of(TARGET, step.rows) if self.always else []

    def change_probs(self, layer: AttentionLayer, step: Step, probs: dict[Row, Tensor]) -> dict[Row, Tensor]:
        targets = variants_of(TARGET, list(probs))
        if SOURCE in probs and self._replaces(step):
            taken, own = self._shares(step, probs[SOURCE].dtype)
            given = probs[SOURCE] @ taken
            return probs | {row: torch.addcmul(given, probs[row], own) for row in targets}
        return probs | {row: probs[row] * self.factors.to(probs[row]) for row in targets} if self.always else probs

    def _replaces(self, step: Step) -> bool:
        """Whether any token's map is replaced at this step."""
        self._shares(step, self.mapping.dtype if self._of is None else self._of[2])
        return step.number < self._last

    def _shares(self, step: Step, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """What the source's map is multiplied with, mapping · α · factors, and the target's own, (1 − α) · factors.

        They are a step's, and all layers ask for them.
        """
        if self._of != (step.number, step.total, dtype):
            now = self._now(step)
            kept, factors = self.shared * now, self.factors
            if not self.always:
                factors = torch.where(now > 0, factors, torch.ones_like(factors))
            self._taken, self._own = ((x * factors).to(dtype) for x in (self.mapping * kept, 1 - kept))
            self._of = step.number, step.total, dtype
        return self._taken, self._own

    def _now(self, step: Step) -> Tensor:
        """Which tokens' maps are replaced at the step, 0 or 1: of all steps at once, so that no step waits for it."""
        if len(self._steps) != step.total:
            until = replaced_steps(self.share, step.total).reshape(1, -1)
            self._steps = (torch.arange(step.total)[:, None] < until).to(self.mapping)
            self._last = int(until.max())
        return self._steps[step.number]


@dataclass(frozen=True)
class _SelfMaps(AttentionEdit):
    """Self-attention: equal maps are equal queries and keys, so the target takes both and stays fused."""

    share: float
    downsampling: int

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self" and layer.downsampling >= self.downsampling

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = list(step.rows)
        if not step.within(self.share) or SOURCE not in rows or TARGET not in rows:
            return query, key, value
        source, targets = rows.index(SOURCE), variants_of(TARGET, rows)
        order = [source if row in targets else i for i, row in enumerate(rows)]
        return picked(query, order), picked(key, order), value
