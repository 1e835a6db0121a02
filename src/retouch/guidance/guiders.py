"""Guiders with noise rescaling (Guide-and-Rescale, Titov et al. 2024): gradients of energies that keep the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import INVERTED, TARGET, TARGET_AS_SOURCE, TARGET_NULL, Row, Step
from retouch.errors import RetouchError
from retouch.guidance.map_distance import map_distance
from retouch.inversion.trajectory import Trajectory
from retouch.parts import Guidance

Preset = Literal["layout", "style"]


class Pulling(Guidance, Protocol):
    """A guidance that can say what it adds to the null prediction."""

    def pull(self, noise: Mapping[Row, Tensor]) -> Tensor:
        """w (ε(c_tgt) − ε(∅)), or what stands in its place."""
        ...


def rescaled(gradient: Tensor, pull: Tensor, low: float, high: float) -> tuple[Tensor, float | None]:
    """γ·v∇g with γ = clip(r, r_low, r_up)/r and r = ‖v∇g‖ / ‖w(ε(c_tgt) − ε(∅))‖ (section 4.3).

    Returns:
        the rescaled gradient, whose norm is clip(r) times the pull's, and clip(r). Without a gradient zero and None.
    """
    size, reference = gradient.norm(), pull.norm()
    if not torch.isfinite(size):
        raise RetouchError("the guiders' gradient overflows in half precision: load the model in float32 or bfloat16.")
    if size == 0:
        return gradient, None
    ratio = min(max(float(size / reference.clamp(min=1e-30)), low), high)
    return gradient * (ratio * reference / size), ratio


@dataclass
class GuideAndRescale:
    """ε̃ = (``base``'s ε̃) + γ·v∇_{z_t} g in the first steps, ``base``'s alone in the rest.

    The energies compare the evaluation at (z_t, c_src) with that at the inverted (z*_t, c_src): the self-attention
    maps, g_sa = Σ_layers mean((A − A*)²), and the features. Preset ``layout`` takes the mean absolute difference of
    the last decoder block's outputs; ``style`` the mean squared difference of the second residual block's of the
    coarsest decoder level that attends, between (z_t, c_tgt) and (z*_t, c_src).

    The evaluations without a gradient go in one batch with the rest of the step; the graph is that of one evaluation
    (``style``: two), whose ε(z_t, c_tgt) is used for guidance as well where no control changes it.

    Attributes:
        base: the guidance whose result is corrected.
        attention_strength, feature_strength: v of the two energies.
        guided_share: share of the steps, from the first, that are guided, 0..1.
        low, high: r_low, r_up.
        controlled: whether a control changes the target's prediction, which the energies then do not see.
        gradient_checkpointing: whether the backward pass recomputes the network's activations.
        ratios: clip(r) of the guided steps so far that had a gradient.
    """

    base: Pulling
    model: Backbone
    trajectory: Trajectory
    preset: Preset
    attention_strength: float
    feature_strength: float
    guided_share: float
    low: float
    high: float
    controlled: bool = False
    gradient_checkpointing: bool = False
    ratios: list[float] = field(default_factory=list, init=False)
    _energies: list[Tensor] = field(default_factory=list, init=False)

    @property
    def guidance_scale(self) -> float:
        """The base's."""
        return self.base.guidance_scale

    def guided(self, step: Step) -> bool:
        """Whether the energies act at this step."""
        acts = self.high > 0 and (self.attention_strength > 0 or self.feature_strength > 0)
        return acts and step.within(self.guided_share)

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The base's, and the energy of the self-attention maps."""
        mine = [_MapEnergy(self)] if self.attention_strength else []
        return [*self.base.edits(model), *mine]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """The base's, and the energy of the features."""
        style = self.preset == "style"
        name = model.first_attending_decoder_block(1).name if style else model.last_decoder_block()
        mine = [_FeatureEnergy(name, self, TARGET if style else TARGET_AS_SOURCE)] if self.feature_strength else []
        return [*self.base.block_edits(model), *mine]

    def rows(self, step: Step) -> Sequence[Row]:
        """Without a gradient: both halves and the inverted row; the half that gets one anyway is left out."""
        rows = list(self.base.rows(step))
        if not self.guided(step):
            return rows
        return [*(row for row in rows if not (row == TARGET and self._target_has_gradient)), INVERTED]

    @property
    def _gradient_rows(self) -> list[Row]:
        return [TARGET_AS_SOURCE, TARGET] if self.preset == "style" and self.feature_strength else [TARGET_AS_SOURCE]

    @property
    def _target_has_gradient(self) -> bool:
        return TARGET in self._gradient_rows and not self.controlled

    def advance(self, target: Tensor, noise: Mapping[Row, Tensor], step: Step, moment: Moment) -> Tensor:
        """One step down with the energies' gradient, rescaled, in the predicted noise."""
        if not self.guided(step):
            return self.base.advance(target, noise, step, moment)
        gradient, text = self._gradient(target, step, moment)
        if self._target_has_gradient and text is not None:
            noise = {**noise, TARGET: text}
        # at guidance 1 a base may go without the null half: the pull is the prediction itself
        pull = self.base.pull(noise) if TARGET_NULL in noise else noise[TARGET]
        if self.preset == "layout" and torch.equal(target, self.trajectory.latents[step.index + 1]):
            # the first step: both evaluations are the same, g = 0, and what gradient there is is rounding, which
            # rescaling would blow up to r_low
            gradient = torch.zeros_like(gradient)
        correction, ratio = rescaled(gradient, pull, self.low, self.high)
        if ratio is not None:
            self.ratios.append(ratio)
        # the same shift of both halves is a shift of their guided combination, and leaves their difference alone
        shifted = {row: eps + correction if row.branch == "target" else eps for row, eps in noise.items()}
        return self.base.advance(target, shifted, step, moment)

    def advance_source(self, source: Tensor, combined: Tensor, step: Step) -> Tensor:
        """The base's."""
        return self.base.advance_source(source, combined, step)

    def _gradient(self, target: Tensor, step: Step, moment: Moment) -> tuple[Tensor, Tensor | None]:
        """v∇g at the target's latent, and ε(z_t, c_tgt) where its row was among those with a gradient."""
        rows = moment.rows = self._gradient_rows
        texts = self.trajectory.texts.batch(rows, step.index)
        saving = self.model.gradient_checkpointing() if self.gradient_checkpointing else nullcontext()
        with torch.enable_grad(), saving:
            latents = target.detach().requires_grad_()
            predicted = self.model.predict_noise(latents.expand(len(rows), -1, -1, -1), step.timestep, texts)
            energy = torch.stack(self._energies).sum()
            (gradient,) = torch.autograd.grad(energy, latents)
        self._energies.clear()
        text = predicted[rows.index(TARGET)][None].detach() if TARGET in rows else None
        return gradient, text


@dataclass
class _MapEnergy(AttentionEdit):
    """Keeps the inverted row's queries and keys, and adds the distance of the maps where the gradient runs."""

    guidance: GuideAndRescale
    _fixed: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self"

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = list(moment.rows)
        if INVERTED in rows:
            i = rows.index(INVERTED)
            self._fixed[layer.name] = (query[i].clone(), key[i].clone())
        elif TARGET_AS_SOURCE in rows:
            i = rows.index(TARGET_AS_SOURCE)
            distance = map_distance(query[i], key[i], *self._fixed[layer.name], scale=query.shape[-1] ** -0.5)
            self.guidance._energies.append(self.guidance.attention_strength * distance)
        return query, key, value


@dataclass
class _FeatureEnergy:
    """Keeps the inverted row's features, and adds their distance to ``row``'s where the gradient runs."""

    name: str
    guidance: GuideAndRescale
    row: Row
    _fixed: Tensor | None = None

    def change(self, output: Tensor, moment: Moment) -> Tensor:
        rows = list(moment.rows)
        if INVERTED in rows:
            self._fixed = output[rows.index(INVERTED)].float()
        elif TARGET_AS_SOURCE in rows and self._fixed is not None:
            difference = output[rows.index(self.row)].float() - self._fixed
            distance = difference.abs().mean() if self.guidance.preset == "layout" else difference.square().mean()
            self.guidance._energies.append(self.guidance.feature_strength * distance)
        return output
