"""Semantic guidance with implicit masks (LEDITS++, Brack et al. 2024, section 4.2): several edits at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter
from retouch.guidance.classifier_free import guided
from retouch.guidance.concepts import Concept, read_concepts
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit
from retouch.parts.job import Job
from retouch.parts.part import Guidance, Guided, Predictions, null_of
from retouch.parts.rows import TARGET, TARGET_NEGATIVE, TARGET_NULL, Branch, Row, Step
from retouch.parts.word_maps import WordMaps

Masks = Literal["both", "attention", "noise"]
_COARSE = 800  # above this timestep noise says little of places: diffusers takes the attention's mask alone


def attention_mask(heat: Tensor, threshold: float) -> Tensor:
    """M¹: a map [1, 1, rows, columns] smoothed, and cut at its ``threshold`` quantile (0..1), 0 or 1, same shape."""
    line = torch.arange(-1.0, 2.0, device=heat.device).square().neg().exp()  # diffusers' Gaussian, σ = 1/√2
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2
    smooth = functional.conv2d(functional.pad(heat.float(), (1, 1, 1, 1), mode="reflect"), kernel)
    return (smooth >= torch.quantile(smooth, threshold)).float()


def noise_mask(difference: Tensor, threshold: float) -> Tensor:
    """M²: where Σ|ψ| over channels reaches its ``threshold`` quantile (0..1); ψ [1, C, h, w] to 0 or 1 [1, 1, h, w]."""
    size = difference.abs().float().sum(1, keepdim=True)
    return (size >= torch.quantile(size, threshold)).to(difference)


@dataclass
class Semantic(Guidance):
    """ε̃ = ε(∅) + Σ_i ± s_i M_i (ε(e_i) − ε(∅)), M_i = M¹_i M²_i; the one concept is the target prompt if none is named.

    M¹ is where the concept's tokens are looked for at this step, in the cross-attention at a quarter of the latent's
    side; M² where the concept moves the prediction most. Differences are taken in the network's own terms, which at one
    noise level are those of the noise times a factor: quantiles do not see it. The source branch is guided plainly.

    A negative prompt is one more concept to lead away from, at s: ∅ stays the empty text, with which alone the places
    that no concept touches return the picture.
    """

    name: ClassVar[str] = "semantic"
    summary: ClassVar[str] = "away from the null text towards one concept or several, each within a mask of its own"
    aliases: ClassVar[tuple[str, ...]] = ("ledits++", "ledits-pp")
    is_linear: ClassVar[bool] = False
    scale_0_is_null: ClassVar[bool] = True
    takes_negative: ClassVar[bool] = True

    guidance_scale: float = parameter(
        5.0, "s: how strongly a concept pulls that names no scale of its own", low=0, high=50, source="diffusers"
    )
    edit_threshold: float = parameter(
        0.9, "λ: a concept acts where its mask's map is above this quantile; less is a larger region", low=0, high=1,
        source="LEDITS++, equation 12, and diffusers",
    )  # fmt: skip
    concepts: str = parameter(
        "", "edits in place of the target prompt: concept=scale@threshold, ; between them, a - before what is to go, "
        "e.g. a hat=6; -scarf=5@0.8",
        kind="text",
    )  # fmt: skip
    concept_masks: Masks = parameter(
        "both", "what limits a concept: attention (where its words are looked for), noise (where it changes the "
        "prediction most), or both",
        choices=("both", "attention", "noise"), source="LEDITS++, section 4.2",
    )  # fmt: skip
    warmup_steps: int = parameter(0, "steps before the concepts act", low=0, high=999, unit="steps", source="diffusers")
    cooldown_steps: int | None = parameter(
        None, "steps after which the concepts act no more; none for never", low=1, high=1000, unit="steps",
        kind="whole number", source="diffusers",
    )  # fmt: skip
    _acting: dict[Row, Concept] = field(default_factory=dict, init=False)
    _notes: list[str] = field(default_factory=list, init=False)
    _maps: WordMaps | None = field(default=None, init=False)

    @property
    def scale(self) -> float:
        """s."""
        return self.guidance_scale

    def named(self) -> dict[Row, Concept]:
        """The concepts of the parameter, by the row that each is evaluated in."""
        concepts = read_concepts(self.concepts, self.guidance_scale, self.edit_threshold)
        return {Row("target", f"concept {number}"): concept for number, concept in enumerate(concepts, 1)}

    def check(self, steps: int) -> None:
        """Refuses concepts in another form, and a start after the end."""
        self.named()
        end = steps if self.cooldown_steps is None else min(steps, self.cooldown_steps)
        if end and self.warmup_steps >= end:
            raise BadParameter(
                f"warmup_steps is {self.warmup_steps}, but the concepts act only until step {end}, so nothing would be "
                "edited: take fewer warmup_steps."
            )

    def idle(self, asked: Asked) -> Idle:
        """The threshold and the scale that every concept names itself, and an end after the last step."""
        found: Idle = {}
        if self.cooldown_steps is not None and self.cooldown_steps >= asked.steps:
            found["cooldown_steps"] = f"only {asked.steps} {'step is' if asked.steps == 1 else 'steps are'} denoised"
        named = read_concepts(self.concepts, 0.0, 0.0)
        if named and named == read_concepts(self.concepts, 0.0, 1.0) and not asked.negative:
            found["edit_threshold"] = "every concept names its own"
        own = named and named == read_concepts(self.concepts, 1.0, 0.0)
        if own and "source" not in asked.texts and not asked.negative:
            found["guidance_scale"] = "every concept names a scale of its own"
        return found

    def idle_negative(self) -> str:
        """At s = 0."""
        return "" if self.scale else "guidance_scale is 0"

    def draws_to_negative(self) -> bool:
        """A concept to lead away from is so at every scale."""
        return False

    def prepare(self, job: Job) -> None:
        """Finds the concepts' tokens."""
        cut = [rest for concept in self.named().values() if (rest := job.model.truncated(concept.text))]
        self._notes = [
            f"a concept is longer than the model reads ({job.model.max_tokens} tokens); cut off: {rest!r}."
            for rest in cut
        ]
        target = Concept(job.target, self.guidance_scale, self.edit_threshold)
        self._acting = self.named() or {TARGET: target}
        if self.negative and job.negative:
            self._acting[TARGET_NEGATIVE] = replace(target, text=job.negative, away=True)
        ends = {row: job.model.tokens(concept.text).end for row, concept in self._acting.items()}
        self._maps = WordMaps({row: range(1, end) for row, end in ends.items()}, of_one_step=True)

    def texts(self, job: Job) -> Mapping[str, Condition]:
        """What the named concepts say, and the negative prompt."""
        acting = {row: concept for row, concept in self._acting.items() if row != TARGET}
        if not acting:
            return {}
        said = job.model.condition([concept.text for concept in acting.values()]).split()
        return {row.text: one for row, one in zip(acting, said, strict=True)}

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The reading of the concepts' maps."""
        return [] if self.concept_masks == "noise" or self._maps is None else [self._maps.recorder(model)]

    def acts(self, step: Step) -> bool:
        """Whether the concepts act at this step."""
        return self.warmup_steps <= step.number and (self.cooldown_steps is None or step.number < self.cooldown_steps)

    def rows(self, branch: Branch, step: Step) -> Sequence[Row]:
        """The null text's, and one for every concept."""
        if branch.name == "source":
            return super().rows(branch, step)
        return [TARGET_NULL, *(self.named() or [TARGET]), *([TARGET_NEGATIVE] if self.negative else [])]

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """The concepts' pulls together."""
        if branch.name == "source":
            return Guided(guided(predictions.get(branch.null), predictions[branch.text], self.guidance_scale))
        return Guided(null_of(predictions, branch) + self.pull(predictions, branch, step))

    def pull(self, predictions: Predictions, branch: Branch, step: Step) -> Tensor:
        """Σ_i ± s_i M_i (ε(e_i) − ε(∅))."""
        null = null_of(predictions, branch)
        total = torch.zeros_like(null)
        for row, concept in self._acting.items() if self.acts(step) else ():
            difference = predictions[row] - null
            signed = -concept.scale if concept.away else concept.scale
            total = total + signed * self._mask(row, concept, difference, step) * difference
        return total

    def _mask(self, row: Row, concept: Concept, difference: Tensor, step: Step) -> Tensor | float:
        """M_i of one step, 0 or 1."""
        mask: Tensor | float = 1.0
        height, width = difference.shape[-2:]
        heat = self._maps.picture(row, height, width) if self._maps else None
        if heat is not None:
            coarse = attention_mask(heat, concept.threshold).to(difference)
            mask = functional.interpolate(coarse, (height, width), mode="nearest")
        if self.concept_masks == "noise" or (self.concept_masks == "both" and step.timestep <= _COARSE):
            mask = mask * noise_mask(difference, concept.threshold)
        return mask

    def notes(self) -> Sequence[str]:
        """What was cut off concepts."""
        return self._notes
