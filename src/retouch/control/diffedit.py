"""DiffEdit's mask (Couairon et al. 2023): where two prompts predict different noise; elsewhere the picture is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job
from retouch.parts.part import Control
from retouch.parts.rows import State, Step, whole_steps
from retouch.parts.trajectory import Trajectory

_CLIP = 3.0  # in means of the map: section 3.2 "removes extreme values", and diffusers' mask_thresholding_ratio


def binarised(contrast: Tensor, threshold: float) -> Tensor:
    """M = 1[min(d, 3 mean d) / (3 mean d) > threshold], 0 or 1.

    Args:
        contrast: d, how far the two predictions lie apart, at least 0: [1, 1, h, w].
        threshold: 0..1; at 0 the mask is where there is any difference, at 1 it is empty.
    """
    limit = _CLIP * contrast.mean()
    return (contrast.clamp(max=limit) > threshold * limit).to(contrast)


@dataclass
class DiffEditMask(Control):
    """z_t ← M z_t + (1 − M) z*_t after every step.

    M is where |ε(z, c_tgt) − ε(z, c_src)|, averaged over ``mask_noises`` noisings of the picture and over channels, is
    large. A user's mask takes its place. Without a source prompt the contrast is with the empty one.
    """

    name: ClassVar[str] = "diffedit"
    summary: ClassVar[str] = "finds the region where the two prompts differ, and keeps the picture outside it"
    needs_difference: ClassVar[bool] = True

    mask_strength: float = parameter(
        0.5, "how much noise the picture gets while the prompts are compared", low=0, high=1,
        source="DiffEdit, section 3.2",
    )  # fmt: skip
    mask_noises: int = parameter(
        10, "n: how many noises the comparison is averaged over", low=1, high=1000, source="DiffEdit, section 3.2"
    )
    mask_threshold: float = parameter(
        0.5, "a cell may change where the prompts' difference, cut off at three times its mean and scaled to 0..1, is "
        "above this; lower is a larger region",
        low=0, high=1, source="DiffEdit, section 3.2 and diffusers",
    )  # fmt: skip
    _mask: Tensor | None = field(default=None, init=False)
    _trajectory: Trajectory | None = field(default=None, init=False)

    def idle(self, asked: Asked) -> Idle:
        """The search, where the region is given."""
        names = ("mask_strength", "mask_noises", "mask_threshold")
        return (
            dict.fromkeys(names, "the mask takes the place of the region that would be found") if asked.masked else {}
        )

    def extra_evaluations(self) -> int:
        """Both prompts under every noise; none where they are equal, or with a mask by hand."""
        return 2 * self.mask_noises

    def extra_steps(self) -> int:
        """One for every noise."""
        return self.mask_noises

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Finds the region, unless there is the user's, which the loop holds to."""
        self._trajectory = trajectory
        if job.mask is None:
            self._mask = binarised(self._contrast(job), self.mask_threshold)
        else:
            job.progress(self.mask_noises)

    @torch.no_grad()
    def _contrast(self, job: Job) -> Tensor:
        """d [1, 1, h, w], one batch of two for every noise.

        It is taken between predictions in the network's own terms, which at one noise level differ by a factor alone.
        """
        assert self._trajectory is not None
        schedule, both = self._trajectory.schedule, job.model.condition([job.source or "", job.target])
        total = torch.zeros_like(job.latents[:, :1])
        if job.model.tokens(job.source or "").ids == job.model.tokens(job.target).ids:
            job.progress(self.mask_noises)
            return total  # what differs between equal rows is rounding, which scaling would blow up
        index = max(1, whole_steps(self.mask_strength, len(schedule.timesteps))) - 1
        for _ in range(self.mask_noises):
            noise = torch.randn(job.latents.shape, generator=job.generator).to(job.latents)
            noisy = schedule.add_noise(job.latents, noise, index).repeat(2, 1, 1, 1)
            old, new = job.model.predict(noisy, schedule.timesteps[index], both).chunk(2)
            total += (new - old).abs().mean(1, keepdim=True)
            job.progress(1)
        return total

    def after_step(self, state: State, step: Step) -> State:
        """The state, outside the region the inverted picture."""
        if self._mask is None or self._trajectory is None:
            return state
        held = self._trajectory.latents[step.index]
        return {**state, "target": torch.lerp(held, state["target"], self._mask.to(held))}

    def mask(self) -> Tensor | None:
        """The region."""
        return self._mask

    def notes(self) -> list[str]:
        """Whether there was anything to change."""
        if self._mask is None or self._mask.any():
            return []
        return [
            "nowhere do the two prompts differ enough for the picture to change: lower mask_threshold, or give a mask."
        ]
