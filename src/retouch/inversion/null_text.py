"""Null-text inversion (Mokady et al. 2023): per timestep an ∅_t under which guided sampling follows z*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from retouch.backbone.condition import Condition, StepwiseCondition
from retouch.backbone.protocol import Backbone
from retouch.backbone.saving import saving
from retouch.backbone.schedule import Schedule
from retouch.inversion import per_step
from retouch.inversion.ddim import inverted
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory


@torch.no_grad()
def null_text_inversion(
    model: Backbone,
    latents: Sequence[Tensor],
    condition: Condition,
    null: Condition,
    schedule: Schedule,
    *,
    guidance_scale: float = 7.5,
    **fit: Any,
) -> per_step.FittedTexts:
    """Fits ∅_t from the noisiest timestep down.

    At each t, from the current z̄_t: min over ∅_t of mean((z*_{t-1} − DDIM(z̄_t, ε̃_w(∅_t, c_src)))²), warm-started
    from ∅_{t+1}; z̄_{t-1} is where the optimum leads (equation 3, Algorithm 1). ε(z̄_t, c_src) is evaluated once.

    Args:
        latents: z*_0 … z*_T of DDIM inversion under ``condition``.
        null: the empty prompt's, the first start.
        guidance_scale: w under which the picture will be edited; at 1 the null text has no effect.
        fit: as for :func:`retouch.inversion.per_step.fit_along`.
    """

    def lead_from(here: Tensor, index: int) -> per_step.Lead:
        timestep = schedule.timesteps[index]
        text = model.predict(here, timestep, condition)

        def lead(tried: Condition) -> Tensor:
            empty = model.predict(here, timestep, tried)
            return schedule.down(empty + guidance_scale * (text - empty), here, index, model.prediction_type)

        return lead

    return per_step.fit_along(latents, null, lead_from, **fit)


@dataclass
class NullText(Inversion):
    """The source branch's path is where the fits led."""

    name: ClassVar[str] = "null-text"
    reads_scale: ClassVar[bool] = True
    summary: ClassVar[str] = "DDIM, then a null text fitted per step so that the guided source returns the picture"
    aliases: ClassVar[tuple[str, ...]] = ("nti",)
    knows_path: ClassVar[bool] = True

    inner_steps: int = per_step.inner_steps()
    learning_rate: float = per_step.learning_rate()
    early_stop: float = per_step.early_stop()
    keep: per_step.Keep = parameter(
        "best", "best: of a timestep's null texts the one of the smallest loss; last: the last, as the authors' code",
        choices=("best", "last"),
    )  # fmt: skip

    def idle(self, asked: Asked) -> Idle:
        """The settings of fits that are none."""
        found = per_step.idle_without_steps(self.inner_steps, self.learning_rate)
        return found | {"keep": next(iter(found.values()))} if found else {}

    def returns_picture(self, guidance_scale: float) -> bool:
        """At every scale where something is fitted."""
        return guidance_scale == 1 or (self.inner_steps > 0 and self.learning_rate > 0)

    def steps(self, steps: int) -> int:
        """T up, T fits."""
        return 2 * steps

    def evaluations(self, steps: int) -> int:
        """T up; per fit one of the condition and at most ``inner_steps`` + 1 of the null text."""
        return steps + steps * (2 + self.inner_steps)

    def negative(self, job: Job, trajectory: Trajectory) -> StepwiseCondition:
        """The negative prompt, moved by what the fits moved the empty one: ∅_t + (c_neg − ∅)."""
        said, empty = job.model.condition([job.negative or "", ""]).split()
        fitted = [trajectory.conditions["null"].at(index) for index in range(trajectory.steps)]
        # what is not fitted, the pooled text of models that take one, is the negative prompt's
        return StepwiseCondition([said.with_embeds(one.embeds + (said.embeds - empty.embeds)) for one in fitted])

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion and the fits."""
        latents, conditions, source, null = inverted(job, steps)
        schedule = job.model.schedule(steps)
        with saving(job.model):
            found = null_text_inversion(
                job.model, latents, source, null, schedule, guidance_scale=guidance_scale, inner_steps=self.inner_steps,
                learning_rate=self.learning_rate, early_stop=self.early_stop, keep=self.keep, progress=job.progress,
            )  # fmt: skip
        conditions["null"] = conditions["source_null"] = StepwiseCondition(found.conditions)
        return Trajectory(schedule, latents, conditions, found.path)
