"""The attention controls to choose from, with their parameters: what the target shares with the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from retouch.branches import whole_steps
from retouch.control.feature_injection import FeatureInjection, Injected
from retouch.control.feature_sharing import FeatureSharing
from retouch.control.local_blend import LocalBlend
from retouch.control.mutual_self_attention import MutualSelfAttention
from retouch.control.prompt_to_prompt import Aligner, PromptToPrompt, ReweightWhile
from retouch.errors import BadParameter, BadPrompt
from retouch.methods.method import Job
from retouch.parameters import parameter
from retouch.parts import Control
from retouch.prompts import Tokens, changed_words, find_words, tokenize, unknown_word, word_numbers

Mode = Literal["auto", "structure", "non-rigid"]


@dataclass(frozen=True)
class ControlChoice:
    """The base: no control, one branch."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "nothing is shared; the target starts from the source's noise and goes its own way"
    shares: ClassVar[bool] = False  # whether there is a source branch
    needs_source: ClassVar[bool] = False  # whether the source prompt's words matter
    reads_source_null: ClassVar[bool] = False
    uses_mask: ClassVar[bool] = False  # whether the user's mask goes here and not to the latents

    def check(self, steps: int) -> None:
        """Refuses settings that make no sense with so many steps."""

    def build(self, job: Job) -> Control | None:
        """What the loop attaches."""
        return None


@dataclass(frozen=True)
class PromptToPromptControl(ControlChoice):
    """Hertz et al. 2023."""

    name: ClassVar[str] = "prompt-to-prompt"
    summary: ClassVar[str] = "the source's attention maps, word by word; keeps layout and outlines"
    shares: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True

    cross_replace_steps: float = parameter(
        0.8, "share of the steps that keep the source's cross-attention (what is where)", low=0, high=1,
        source="Prompt-to-Prompt, section 3.2",
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

    def check(self, steps: int) -> None:
        """Refuses weights that would never act."""
        shares = [self.cross_replace_steps, *word_numbers(self.cross_replace_words, 0, 1).values()]
        if self.reweight and self.reweight_while == "replacing" and not any(whole_steps(s, steps) for s in shares):
            raise BadParameter(
                f"reweight is {self.reweight!r}, but it acts while cross-attention is replaced, and no step does that "
                f"(cross_replace_steps is {self.cross_replace_steps:g} of {steps} steps): raise cross_replace_steps, "
                "or set reweight_while=always."
            )

    def build(self, job: Job) -> PromptToPrompt:
        """The control for this pair of prompts; a user's mask takes the place of the blend words."""
        source, target = _tokens(job)
        blend_words = "none" if job.mask is not None else self.blend_words
        return PromptToPrompt(
            source,
            target,
            aligner=self.aligner,
            cross_replace_steps=self.cross_replace_steps,
            cross_replace_words=word_numbers(self.cross_replace_words, 0, 1),
            self_replace_steps=self.self_replace_steps,
            self_replace_downsampling=self.self_replace_downsampling,
            reweight=word_numbers(self.reweight, -20, 20),
            reweight_while=self.reweight_while,
            blend=_local_blend(source, target, blend_words, self.blend_threshold),
        )


@dataclass(frozen=True)
class MutualSelfAttentionControl(ControlChoice):
    """MasaCtrl, Cao et al. 2023."""

    name: ClassVar[str] = "mutual-self-attention"
    summary: ClassVar[str] = "the target looks its content up in the source; poses and outlines may change"
    shares: ClassVar[bool] = True
    reads_source_null: ClassVar[bool] = True
    uses_mask: ClassVar[bool] = True

    start_step: int = parameter(
        4, "S: the first step, from 0, that shares; before it the new layout forms", low=0, high=999, unit="step",
        source="MasaCtrl, section 3.2",
    )  # fmt: skip
    decoder_levels: int = parameter(
        2, "how many of the finest decoder levels share: 2 is Stable Diffusion's layers from L = 10 up",
        low=1, high=8, source="MasaCtrl, section 3.2",
    )  # fmt: skip
    mask_words: str = parameter(
        "none", "words of both prompts whose region is the foreground: it looks only at the source's, the rest only at "
        "the rest; 'none' for no split (a mask given by hand splits, too)",
        kind="text", source="MasaCtrl, section 3.3",
    )  # fmt: skip
    mask_threshold: float = parameter(
        0.1, "how much of the mask words' attention counts as foreground", low=0, high=1, source="MasaCtrl's code"
    )

    def check(self, steps: int) -> None:
        """Refuses a start after the end."""
        if self.start_step >= steps:
            raise BadParameter(
                f"start_step is {self.start_step}, but there are only {steps} steps, so nothing would be shared: "
                "take more num_inference_steps or an earlier start_step."
            )

    def build(self, job: Job) -> MutualSelfAttention:
        """The control, masked by the user's mask or by words where these are named."""
        words: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        if job.mask is None and self.mask_words.strip().lower() not in ("none", ""):
            if not job.source:
                raise BadPrompt(
                    f"mask_words is {self.mask_words!r}, but there is no source prompt to find them in: say what the "
                    "picture shows, or give a mask."
                )
            source, target = _tokens(job)
            words = find_words(source, self.mask_words), find_words(target, self.mask_words)
        return MutualSelfAttention(
            start_step=self.start_step,
            decoder_levels=self.decoder_levels,
            source_words=words[0],
            target_words=words[1],
            threshold=self.mask_threshold,
            mask=job.mask,
            size=(job.latents.shape[-2], job.latents.shape[-1]),
        )


@dataclass(frozen=True)
class FeatureInjectionControl(ControlChoice):
    """Plug-and-Play, Tumanyan et al. 2023."""

    name: ClassVar[str] = "feature-injection"
    summary: ClassVar[str] = "the source's self-attention maps and decoder features; keeps the layout closely"
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

    def build(self, job: Job) -> FeatureInjection:
        """The control."""
        return FeatureInjection(
            attention_share=self.attention_share, feature_share=self.feature_share, inject=self.inject
        )


@dataclass(frozen=True)
class FeatureSharingControl(ControlChoice):
    """E4C, Huang et al. 2024."""

    name: ClassVar[str] = "feature-sharing"
    summary: ClassVar[str] = "the source's queries (structure), or its keys and values (non-rigid)"
    shares: ClassVar[bool] = True

    mode: Mode = parameter(
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

    def build(self, job: Job) -> FeatureSharing:
        """The control; without e4c's choice by CLIP, auto means non-rigid where a word was added or taken away."""
        mode = self.mode
        if mode == "auto":
            old, new = changed_words(*_tokens(job))
            mode = "structure" if len(old) == len(new) else "non-rigid"
        if mode == "structure":
            return FeatureSharing("structure", end_share=self.structure_share)
        return FeatureSharing("non-rigid", start_share=self.non_rigid_start, decoder_levels=self.sharing_levels)


CONTROLS: dict[str, type[ControlChoice]] = {
    part.name: part
    for part in (
        ControlChoice,
        PromptToPromptControl,
        MutualSelfAttentionControl,
        FeatureInjectionControl,
        FeatureSharingControl,
    )
}


def _tokens(job: Job) -> tuple[Tokens, Tokens]:
    source, target = (
        tokenize(job.model.tokenizer, prompt, job.model.max_tokens) for prompt in (job.source or "", job.target)
    )
    return source, target


def _local_blend(source: Tokens, target: Tokens, blend_words: str, threshold: float) -> LocalBlend | None:
    if blend_words.strip().lower() in ("none", ""):
        return None
    if blend_words.strip().lower() == "auto":
        old, new = changed_words(source, target)
        if not old and not new:
            return None
        in_old, in_new = (tuple(token for word in words for token in word.tokens) for words in (old, new))
        return LocalBlend(in_old, in_new, threshold)
    in_source: list[int] = []
    in_target: list[int] = []
    for word in blend_words.replace(",", " ").lower().split():
        found = False
        for tokens, positions in ((source, in_source), (target, in_target)):
            if any(known.text == word for known in tokens.words):
                positions += find_words(tokens, word)
                found = True
        if not found:
            raise unknown_word(word, [source, target])
    return LocalBlend(tuple(in_source), tuple(in_target), threshold)
