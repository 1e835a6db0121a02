"""Prompt-tuning inversion (Dong et al. 2023): per timestep a condition c_t under which sampling follows z*."""

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
def prompt_tuning_inversion(
    model: Backbone, latents: Sequence[Tensor], condition: Condition, schedule: Schedule, **fit: Any
) -> per_step.FittedTexts:
    """Fits c_t from the noisiest timestep down, at guidance 1.

    At each t, from the current z̄_t: min over c_t of mean((z*_{t-1} − DDIM(z̄_t, ε(c_t)))²), warm-started from
    c_{t+1}, the first from c_src; z̄_{t-1} is where the optimum leads.

    Args:
        latents: z*_0 … z*_T of DDIM inversion under ``condition``.
        fit: as for :func:`retouch.inversion.per_step.fit_along`.
    """

    def lead_from(here: Tensor, index: int) -> per_step.Lead:
        t, kind = schedule.timesteps[index], model.prediction_type
        return lambda tried: schedule.down(model.predict(here, t, tried), here, index, kind)

    return per_step.fit_along(latents, condition, lead_from, **fit)


@dataclass
class PromptTuning(Inversion):
    """The learning rate and the number of steps are those of null-text inversion."""

    name: ClassVar[str] = "prompt-tuning"
    summary: ClassVar[str] = "DDIM, then a condition fitted per step; the target's is mixed from it and its prompt"
    aliases: ClassVar[tuple[str, ...]] = ("pti",)
    knows_path: ClassVar[bool] = True
    guides_source: ClassVar[bool] = False  # fitted at guidance 1

    eta: float = parameter(
        0.8, "η: the condition is η c_tgt + (1 − η) c_t; 0 keeps the picture, 1 takes the prompt", low=0, high=1
    )
    inner_steps: int = per_step.inner_steps()
    learning_rate: float = per_step.learning_rate()
    early_stop: float = per_step.early_stop()

    def idle(self, asked: Asked) -> Idle:
        """The settings of fits that are none, or that nothing looks at."""
        if self.eta == 1 and "source" not in asked.texts:
            why = "eta is 1, and the fitted conditions are used nowhere"
            return dict.fromkeys(("inner_steps", "learning_rate", "early_stop"), why)
        return per_step.idle_without_steps(self.inner_steps, self.learning_rate)

    def steps(self, steps: int) -> int:
        """T up, T fits."""
        return 2 * steps

    def evaluations(self, steps: int) -> int:
        """T up; per fit at most ``inner_steps`` + 1."""
        return steps + steps * (1 + self.inner_steps)

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion and the fits; the source branch's path is where they led."""
        latents, conditions, source, _ = inverted(job, steps)
        schedule, target = job.model.schedule(steps), conditions["target"]
        with saving(job.model):
            found = prompt_tuning_inversion(
                job.model, latents, source, schedule, inner_steps=self.inner_steps, learning_rate=self.learning_rate,
                early_stop=self.early_stop, progress=job.progress,
            )  # fmt: skip
        mixed = [Condition.lerp(own, target.at(index), self.eta) for index, own in enumerate(found.conditions)]
        conditions["source"] = conditions["source_null"] = StepwiseCondition(found.conditions)
        conditions["target"] = StepwiseCondition(mixed)
        return Trajectory(schedule, latents, conditions, found.path)
