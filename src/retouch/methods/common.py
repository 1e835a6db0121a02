"""What several methods declare and do alike: steps, guidance scale, Prompt-to-Prompt's parameters, DDIM inversion."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from retouch.control.local_blend import LocalBlend
from retouch.control.prompt_to_prompt import PromptToPrompt
from retouch.inversion.ddim import ddim_inversion
from retouch.inversion.trajectory import Texts, Trajectory
from retouch.methods.method import Job
from retouch.methods.parameters import parameter
from retouch.prompts import Tokens, changed_words, find_words, slerp, tokenize, unknown_word, word_numbers


def num_inference_steps() -> Any:
    """The field ``num_inference_steps``."""
    return parameter(50, "denoising steps T; fewer are faster and coarser", low=1, high=1000, unit="steps")


def guidance_scale(default: float) -> Any:
    """The field ``guidance_scale``."""
    return parameter(default, "w: how strongly the target prompt pulls; 1 is no guidance", low=0, high=50)


def cross_replace_steps(default: float = 0.8) -> Any:
    """The field ``cross_replace_steps``."""
    return parameter(
        default, "share of the steps that keep the source's cross-attention (what is where)", low=0, high=1,
        source="Prompt-to-Prompt, section 3.2",
    )  # fmt: skip


def self_replace_steps(default: float = 0.6) -> Any:
    """The field ``self_replace_steps``."""
    return parameter(
        default, "share of the steps that keep the source's self-attention (shape and layout)", low=0, high=1,
        source="Prompt-to-Prompt, section 3.2",
    )  # fmt: skip


def self_replace_downsampling() -> Any:
    """The field ``self_replace_downsampling``."""
    return parameter(
        4, "self-attention is kept at levels at least this much coarser than the latent: 4 is 16x16 of 64x64, 1 is all",
        low=1, high=64, source="Prompt-to-Prompt's code",
    )  # fmt: skip


def aligner() -> Any:
    """The field ``aligner``."""
    return parameter(
        "auto", "how words correspond: replace word for word, refine by alignment, auto chooses by word count",
        choices=("auto", "replace", "refine"),
    )  # fmt: skip


def blend_words(default: str = "none") -> Any:
    """The field ``blend_words``."""
    return parameter(
        default, "words whose region may change, the rest is kept; 'none' for everywhere, 'auto' for the changed words",
        kind="text",
    )  # fmt: skip


def blend_threshold() -> Any:
    """The field ``blend_threshold``."""
    return parameter(0.3, "how much of the blend words' attention counts as their region", low=0, high=1)


def reweight() -> Any:
    """The field ``reweight``."""
    return parameter("", "factors for target words' attention, at every step, as word=number, e.g. hat=2", kind="text")


def cross_replace_words() -> Any:
    """The field ``cross_replace_words``."""
    return parameter(
        "", "cross_replace_steps (0..1) for single target words, as word=number, e.g. hat=0.4", kind="text"
    )


def inverted(
    job: Job,
    source: str,
    num_inference_steps: int,
    *,
    null: Literal["empty", "source"] = "empty",
    npi_interp: float = 0.0,
    aligned: bool = False,
) -> Trajectory:
    """DDIM inversion under the source prompt, and what the texts mean on the way down.

    ``null="source"`` is negative-prompt inversion (Miyake et al. 2023): ∅_t := c_src for all t, or, with
    ``npi_interp``, slerp(npi_interp, c_src, ∅). ``aligned`` is latent-align: the source branch follows z*.
    """
    model = job.model
    schedule = model.schedule(num_inference_steps)
    embeds = dict(zip(("source", "target", "null"), model.embed([source, job.target, ""]).split(1), strict=True))
    if null == "source":
        embeds["null"] = slerp(npi_interp, embeds["source"], embeds["null"])
    latents: list[Tensor] = ddim_inversion(model, job.latents, embeds["source"], schedule, job.progress)
    return Trajectory(schedule, latents, Texts(embeds), aligned)


def prompt_to_prompt(job: Job, source: str, method: Any) -> PromptToPrompt:
    """The control that a method's Prompt-to-Prompt parameters describe."""
    source_tokens, target_tokens = (
        tokenize(job.model.tokenizer, prompt, job.model.max_tokens) for prompt in (source, job.target)
    )
    return PromptToPrompt(
        source_tokens,
        target_tokens,
        aligner=method.aligner,
        cross_replace_steps=method.cross_replace_steps,
        cross_replace_words=word_numbers(method.cross_replace_words, 0, 1),
        self_replace_steps=method.self_replace_steps,
        self_replace_downsampling=method.self_replace_downsampling,
        reweight=word_numbers(method.reweight, -20, 20),
        blend=_local_blend(source_tokens, target_tokens, method.blend_words, method.blend_threshold),
    )


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
