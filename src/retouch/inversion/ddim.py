"""DDIM inversion (Song et al. 2021; Dhariwal & Nichol 2021): the deterministic sampler run upward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from retouch.backbone.condition import Condition, StepwiseCondition
from retouch.parts.job import Job
from retouch.parts.part import Inversion
from retouch.parts.trajectory import Trajectory

Conditions = dict[str, Condition | StepwiseCondition]


def meanings(job: Job) -> tuple[Conditions, Condition, Condition]:
    """What the texts mean by default: "source" (the empty prompt where there is none), "target", "null", "source_null".

    Returns:
        these conditions by name; those of source and null once more.
    """
    source = job.source or ""
    said, target, null = job.model.condition([source, job.target, ""]).split()
    if not source:
        null = said  # one evaluation serves both
    return {"source": said, "target": target, "null": null, "source_null": null}, said, null


def inverted(job: Job, steps: int) -> tuple[Sequence[Tensor], Conditions, Condition, Condition]:
    """z*_0 … z*_T under the source prompt (the empty one where there is none), and what the texts mean by default.

    Returns:
        the latents, and what :func:`meanings` returns.
    """
    conditions, said, null = meanings(job)
    latents = job.inversions.get(job.model, job.latents, job.source or "", said, steps, job.progress)
    return latents, conditions, said, null


@dataclass
class DDIMInversion(Inversion):
    """The plain one."""

    name: ClassVar[str] = "ddim"
    summary: ClassVar[str] = "DDIM run upward under the source prompt; a guided source branch drifts from it"

    def run(self, job: Job, steps: int, guidance_scale: float) -> Trajectory:
        """DDIM inversion."""
        latents, conditions, _, _ = inverted(job, steps)
        return Trajectory(job.model.schedule(steps), latents, conditions)
