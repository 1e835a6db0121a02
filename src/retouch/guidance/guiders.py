"""Guiders with noise rescaling (Guide-and-Rescale, Titov et al. 2024): gradients of energies that keep the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.backbone.saving import saving
from retouch.errors import BadParameter, RetouchError
from retouch.guidance.map_distance import map_distance
from retouch.parameters import parameter, parameters_of
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit, BlockEdit
from retouch.parts.job import Job
from retouch.parts.part import Addition, Predictions
from retouch.parts.rows import INVERTED, TARGET, TARGET_AS_SOURCE, TARGET_NULL, Branch, Row, Step, variants_of
from retouch.parts.trajectory import Trajectory

Preset = Literal["layout", "style"]

_PUBLISHED = {
    "layout": {"attention_strength": 3e5, "feature_strength": 500.0, "guided_share": 0.6, "low": 0.33, "high": 3.0},
    "style": {"attention_strength": 1e5, "feature_strength": 2.5, "guided_share": 0.5, "low": 1.5, "high": 1.5},
}


def rescaled(gradient: Tensor, pull: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """γ·v∇g with γ = clip(r, r_low, r_up)/r and r = ‖v∇g‖ / ‖w(ε(c_tgt) − ε(∅))‖ (section 4.3).

    Returns:
        the rescaled gradient, whose norm is clip(r) times the pull's, and clip(r), []. Without a gradient both are 0,
        and one that is no number stays so: the processor does not wait for the values.
    """
    size, reference = gradient.norm(), pull.norm()
    ratio = (size / reference.clamp(min=1e-30)).clamp(low, high)
    there = size != 0
    factor = torch.where(there, ratio * reference / size, torch.zeros_like(size))
    return gradient * factor, torch.where(there, ratio, torch.zeros_like(ratio))


@dataclass
class Guiders(Addition):
    """ε̃ = (the base's ε̃) + γ·v∇_{z_t} g in the first steps, the base's alone in the rest.

    The energies compare the evaluation at (z_t, c_src) with that at the inverted (z*_t, c_src): the self-attention
    maps, g_sa = Σ_layers mean((A − A*)²), and the features. Preset ``layout`` takes the mean absolute difference of
    the last decoder block's outputs; ``style`` the mean squared difference of the second residual block's of the
    coarsest decoder level that attends, between (z_t, c_tgt) and (z*_t, c_src).

    The evaluations without a gradient go in one batch with the rest of the step; the graph is that of one evaluation
    (``style``: two), whose ε(z_t, c_tgt) is used for guidance as well where no control changes it.
    """

    name: ClassVar[str] = "guiders"
    summary: ClassVar[str] = "gradients of energies that keep maps and features, on top of another guidance"
    aliases: ClassVar[tuple[str, ...]] = ("guide-and-rescale",)
    needs_trajectory: ClassVar[bool] = True

    preset: Preset = parameter(
        "layout", "which energies and strengths: layout for edits that keep the picture's look, style for restyling",
        choices=("layout", "style"), source="section 4",
    )  # fmt: skip
    attention_strength: float | None = parameter(
        None, "v of the self-attention energy; none for the preset's: 3e5, style 1e5", low=0, high=1e9, kind="number"
    )
    feature_strength: float | None = parameter(
        None, "v of the feature energy; none for the preset's: 500, style 2.5", low=0, high=1e9, kind="number"
    )
    guided_share: float | None = parameter(
        None, "share of the steps, from the first, that are guided; none for the preset's: 0.6, style 0.5",
        low=0, high=1, kind="number",
    )  # fmt: skip
    rescale_low: float | None = parameter(
        None, "r_low: least norm of the energies' gradient against guidance's; none for the preset's: 0.33, style 1.5",
        low=0, high=100, kind="number", source="section 4.3",
    )  # fmt: skip
    rescale_high: float | None = parameter(
        None, "r_up: greatest norm of the same; none for the preset's: 3, style 1.5", low=0, high=100, kind="number",
        source="section 4.3",
    )  # fmt: skip
    gradient_checkpointing: bool = parameter(
        False, "recompute the network's activations in the backward pass: slower, in much less memory"
    )
    _ratios: list[Tensor] = field(default_factory=list, init=False)
    _energies: list[Tensor] = field(default_factory=list, init=False)
    _model: Backbone | None = field(default=None, init=False)
    _trajectory: Trajectory | None = field(default=None, init=False)
    _alike: Tensor | None = field(default=None, init=False)  # whether target and inverted latent are; None: are one

    @property
    def ratios(self) -> list[float]:
        """clip(r) of the guided steps so far that had a gradient."""
        return [ratio for ratio in map(float, self._ratios) if ratio != 0]

    def chosen(self) -> dict[str, float]:
        """The numbers: the preset's, where none is given."""
        given = {
            "attention_strength": self.attention_strength, "feature_strength": self.feature_strength,
            "guided_share": self.guided_share, "low": self.rescale_low, "high": self.rescale_high,
        }  # fmt: skip
        return {key: _PUBLISHED[self.preset][key] if value is None else value for key, value in given.items()}

    def check(self, steps: int) -> None:
        """Refuses crossed bounds."""
        low, high = self.chosen()["low"], self.chosen()["high"]
        if low > high:
            raise BadParameter(
                f"rescale_low is {low:g} and rescale_high {high:g}: the first must not exceed the second."
            )

    def idle(self, asked: Asked) -> Idle:
        """Everything but what switches the energies off, where something does."""
        numbers = self.chosen()
        if not asked.acts(numbers["guided_share"]):
            off, why = {"guided_share"}, f"guided_share is {numbers['guided_share']:g}, and no step is guided"
        elif numbers["high"] == 0:
            off, why = {"rescale_high", "rescale_low"}, "rescale_high is 0"
        elif not numbers["attention_strength"] and not numbers["feature_strength"]:
            off, why = {"attention_strength", "feature_strength"}, "both strengths are 0"
        else:
            return {}
        if all(getattr(self, name) is None for name in off):
            off.add("preset")
        found = {p.name: why for p in parameters_of(self) if p.name not in off}
        return found | asked.too_small(guided_share=numbers["guided_share"])

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Notes the model and the inverted latents."""
        self._model, self._trajectory = job.model, trajectory

    def guided(self, step: Step) -> bool:
        """Whether the energies act at this step."""
        numbers = self.chosen()
        acts = numbers["high"] > 0 and (numbers["attention_strength"] > 0 or numbers["feature_strength"] > 0)
        return acts and step.within(numbers["guided_share"])

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The energy of the self-attention maps."""
        return [_MapEnergy(self)] if self.chosen()["attention_strength"] else []

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """The energy of the features."""
        if not self.chosen()["feature_strength"]:
            return []
        style = self.preset == "style"
        name = model.first_attending_decoder_block(1).name if style else model.last_decoder_block()
        return [_FeatureEnergy(name, self, TARGET if style else TARGET_AS_SOURCE)]

    def rows_with(self, rows: Sequence[Row], branch: Branch, step: Step) -> Sequence[Row]:
        """Without a gradient: both halves and the inverted row; the half that gets one anyway is left out.

        Unless another addition, applied before, compares with it.
        """
        if branch.name != "target" or not self.guided(step):
            return rows
        twice = self._target_has_gradient and variants_of(TARGET, rows) == [TARGET]
        return [*(row for row in rows if not (twice and row == TARGET)), INVERTED]

    def gradient_rows(self, step: Step) -> int:
        """One row, for the style's features two."""
        return len(self._gradient_rows) if self.guided(step) else 0

    @property
    def _gradient_rows(self) -> list[Row]:
        both = self.preset == "style" and self.chosen()["feature_strength"]
        return [TARGET_AS_SOURCE, TARGET] if both else [TARGET_AS_SOURCE]

    @property
    def _target_has_gradient(self) -> bool:
        return TARGET in self._gradient_rows and not self.controlled

    def shifted(self, predictions: Predictions, branch: Branch, step: Step) -> Predictions:
        """The target's predictions with the energies' gradient, rescaled, in the noise that they stand for."""
        if branch.name != "target" or not self.guided(step):
            return predictions
        assert self.base is not None and self._model is not None and self._trajectory is not None
        latents = step.state[branch.name]
        gradient, text = self._gradient(latents, step)
        if self._target_has_gradient and text is not None and TARGET not in predictions:
            predictions = {**predictions, TARGET: text}
        scale = float(step.level.noise_scale(self._model.prediction_type))  # what is predicted, in units of noise
        # at guidance 1 a base may go without the null half: the pull is the prediction itself
        pull = self.base.pull(predictions, branch, step) if TARGET_NULL in predictions else predictions[TARGET]
        numbers = self.chosen()
        correction, ratio = rescaled(gradient, pull * scale, numbers["low"], numbers["high"])
        self._ratios.append(ratio)
        if scale == 0:  # pure noise, where no prediction says anything of the noise
            return predictions
        correction = correction / scale
        # the same shift of both halves is a shift of their guided combination, and leaves their difference alone
        return {row: one + correction if row.branch == "target" else one for row, one in predictions.items()}

    def adds(self, energy: Callable[[], Tensor], row: Row) -> None:
        """Adds an energy that compares ``row`` with the inverted one.

        Where (z*_t, c_src) is compared with itself, as at the first step, it is left out: it and its gradient are 0,
        and what they would be is rounding, which rescaling blows up to r_low.
        """
        if row != TARGET_AS_SOURCE:
            self._energies.append(energy())
        elif self._alike is not None:
            value = energy()
            self._energies.append(torch.where(self._alike, torch.zeros_like(value), value))

    def notes(self) -> Sequence[str]:
        """Of the base guidance; the values of the gradients are only waited for here.

        Raises:
            RetouchError: when one was no number.
        """
        if self._ratios and not torch.stack(self._ratios).isfinite().all():
            raise RetouchError(
                "the guiders' gradient overflows in half precision: load the model in float32 or bfloat16."
            )
        return super().notes()

    def _gradient(self, target: Tensor, step: Step) -> tuple[Tensor, Tensor | None]:
        """v∇g at the target's latent, and the prediction for (z_t, c_tgt) where it was among those with a gradient."""
        assert self._model is not None and self._trajectory is not None
        before, step.rows = step.rows, self._gradient_rows
        texts = self._trajectory.batch(step.rows, step.index)
        inverted = self._trajectory.latents[step.index + 1]
        self._alike = None if target is inverted else (target == inverted).all()
        with torch.enable_grad(), saving(self._model, self.gradient_checkpointing):
            latents = target.detach().requires_grad_()
            predicted = self._model.predict(latents.expand(len(step.rows), -1, -1, -1), step.timestep, texts)
            gradient = torch.zeros_like(target)
            if self._energies:
                (gradient,) = torch.autograd.grad(torch.stack(self._energies).sum(), latents)
        self._energies.clear()
        text = predicted[list(step.rows).index(TARGET)][None].detach() if TARGET in step.rows else None
        step.rows = before
        return gradient, text


@dataclass
class _MapEnergy(AttentionEdit):
    """Keeps the inverted row's queries and keys, and adds the distance of the maps where the gradient runs."""

    guidance: Guiders
    _fixed: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self"

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = list(step.rows)
        if INVERTED in rows:
            i = rows.index(INVERTED)
            self._fixed[layer.name] = (query[i].clone(), key[i].clone())
        elif TARGET_AS_SOURCE in rows:
            i = rows.index(TARGET_AS_SOURCE)
            strength, scale = self.guidance.chosen()["attention_strength"], query.shape[-1] ** -0.5
            self.guidance.adds(
                lambda: strength * map_distance(query[i], key[i], *self._fixed[layer.name], scale=scale),
                TARGET_AS_SOURCE,
            )
        return query, key, value


@dataclass
class _FeatureEnergy:
    """Keeps the inverted row's features, and adds their distance to ``row``'s where the gradient runs."""

    name: str
    guidance: Guiders
    row: Row
    _fixed: Tensor | None = None

    def change(self, output: Tensor, step: Step) -> Tensor:
        rows = list(step.rows)
        if INVERTED in rows:
            self._fixed = output[rows.index(INVERTED)].float()
        elif TARGET_AS_SOURCE in rows and self._fixed is not None:
            difference = output[rows.index(self.row)].float() - self._fixed
            distance = difference.abs().mean() if self.guidance.preset == "layout" else difference.square().mean()
            self.guidance.adds(lambda: self.guidance.chosen()["feature_strength"] * distance, self.row)
        return output
