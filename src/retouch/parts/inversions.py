"""DDIM inversion (Song et al. 2021; Dhariwal & Nichol 2021), and inversions of one picture that several edits share."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.precision import Watch
from retouch.backbone.protocol import Backbone
from retouch.backbone.schedule import Schedule
from retouch.parts.trajectory import Progress

Made = TypeVar("Made")


@torch.no_grad()
def ddim_inversion(
    model: Backbone,
    latents: Tensor,
    condition: Condition,
    schedule: Schedule,
    progress: Progress | None = None,
    levels: int | None = None,
) -> list[Tensor]:
    """Carries ``latents`` up to noise at guidance 1.

    z*_t = DDIM⁻¹(z*_{t-1}, ε(z*_{t-1}, t, c)): the network sees the *lower* latent at the *upper* timestep, as in the
    public codes of Prompt-to-Prompt, null-text inversion, ProxEdit, MasaCtrl and Plug-and-Play. (Guide-and-Rescale's
    evaluates at the lower timestep and ends at the last training timestep.) T network evaluations per picture.

    Args:
        latents: z_0, [B, C, h, w].
        condition: the source prompt, B rows.
        levels: how many of the T noise levels to climb, from the cleanest; None for all.

    Returns:
        z*_0 … z*_T, T + 1 tensors of the shape of ``latents``, or as many more than one as there are ``levels``.
    """
    trajectory, watch = [latents], Watch()
    for index, timestep in enumerate(schedule.timesteps[:levels]):
        noise = watch.seen(model.predict_noise(trajectory[-1], timestep, condition), timestep)
        trajectory.append(schedule.step_up(trajectory[-1], noise, index))
        if progress:
            progress(1)
    watch.check(model.name, model.dtype)
    return trajectory


@dataclass
class Inversions:
    """Inversions of one picture by one model, each made once: what several methods share. Another forgets them.

    Attributes:
        shared: how many evaluations were saved so far because an inversion was there already.
        shared_seconds: how long they took when they were made.
    """

    shared: int = 0
    shared_seconds: float = 0.0
    _kept: dict[Hashable, tuple[object, float]] = field(default_factory=dict)
    _latents: Tensor | None = None
    _model: tuple[Backbone, str, int] | None = None

    def get(
        self,
        model: Backbone,
        latents: Tensor,
        prompt: str,
        condition: Condition,
        steps: int,
        progress: Progress,
        levels: int | None = None,
    ) -> Sequence[Tensor]:
        """The inversion of ``latents`` under ``prompt`` in ``steps`` steps; see :func:`ddim_inversion`.

        Args:
            model: inverts.
            latents: [1, C, h, w], of the picture.
            prompt, condition: the text, and what the model makes of it.
            steps, levels: as for :func:`ddim_inversion`.
            progress: told how many steps were taken since it was last called.
        """
        climbed = steps if levels is None else levels
        return self.once(
            model, latents, (prompt, steps, climbed), climbed * len(latents),
            lambda: ddim_inversion(model, latents, condition, model.schedule(steps), progress, climbed),
            lambda: progress(climbed),
        )  # fmt: skip

    def once(
        self,
        model: Backbone,
        latents: Tensor,
        key: Hashable,
        evaluations: int,
        make: Callable[[], Made],
        otherwise: Callable[[], None] = lambda: None,
    ) -> Made:
        """What ``make`` finds of ``latents``, or found when it was asked for by this ``key`` before.

        Args:
            model, latents, key: what is asked for, and of what.
            make: finds it.
            evaluations: what it costs.
            otherwise: called where it was found before.
        """
        this = model, model.identity, model.chunks  # a live pipeline may have become another model meanwhile
        if self._model != this or self._latents is None or not torch.equal(self._latents, latents):
            self._model, self._latents = this, latents
            self._kept.clear()
        if key in self._kept:
            made, seconds = self._kept[key]
            self.shared += evaluations
            self.shared_seconds += seconds
            otherwise()
            return made  # type: ignore[return-value]  # by this key the same is made
        began = time.perf_counter()
        new = make()
        self._kept[key] = new, time.perf_counter() - began
        return new
