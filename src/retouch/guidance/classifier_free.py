"""Classifier-free guidance (Ho & Salimans 2022) on the target branch, and on a source branch beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from retouch.branches import SOURCE, SOURCE_NULL, TARGET, TARGET_NULL, Row, State, Step
from retouch.inversion.trajectory import Trajectory


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """ε̃ = ε(∅) + w (ε(c) − ε(∅)), w = ``guidance_scale``.

    With ``source_branch`` the source is denoised beside the target, under the same guidance. Where its two halves
    coincide (guidance 1, a null text that *is* the source's, or a source latent that is replaced at every step
    anyway) it costs one evaluation instead of two.
    """

    trajectory: Trajectory
    guidance_scale: float
    source_branch: bool = False

    def rows(self, step: Step) -> Sequence[Row]:
        """2 rows for the target (1 at guidance 1) and 2, 1 or 0 for the source."""
        rows = [TARGET] if self.guidance_scale == 1 else [TARGET_NULL, TARGET]
        if not self.source_branch:
            return rows
        return [SOURCE, SOURCE_NULL, *rows] if self._source_is_guided else [SOURCE, *rows]

    @property
    def _source_is_guided(self) -> bool:
        coincide = self.guidance_scale == 1 or self.trajectory.texts.same("null", "source")
        return not coincide and not self.trajectory.aligned

    def combined(self, noise: Mapping[Row, Tensor]) -> dict[str, Tensor]:
        """The guided noise of each branch."""
        combined = {"target": _guided(noise, TARGET_NULL, TARGET, self.guidance_scale)}
        if self.source_branch:
            combined["source"] = _guided(noise, SOURCE_NULL, SOURCE, self.guidance_scale)
        return combined

    def advance(self, state: State, noise: Mapping[Row, Tensor], step: Step) -> State:
        """One DDIM step down for each branch."""
        combined = self.combined(noise)
        return {branch: step.schedule.step_down(state[branch], combined[branch], step.index) for branch in state}


def _guided(noise: Mapping[Row, Tensor], null: Row, text: Row, scale: float) -> Tensor:
    if null not in noise:
        return noise[text]
    return noise[null] + scale * (noise[text] - noise[null])
