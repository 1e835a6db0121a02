"""A guidance with others on top of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit, BlockEdit
from retouch.parts.job import Job
from retouch.parts.part import Addition, Guidance, Guided, Predictions
from retouch.parts.rows import Branch, Row, State, Step
from retouch.parts.trajectory import Trajectory


@dataclass
class Stack(Guidance):
    """``base``, whose predictions the ``additions`` shift one after the other."""

    base: Guidance
    additions: Sequence[Addition]

    @property
    def scale(self) -> float:
        """The base's."""
        return self.base.scale

    @property
    def _all(self) -> Sequence[Guidance]:
        return [self.base, *self.additions]

    def idle_negative(self) -> str:
        """The base's."""
        return self.base.idle_negative()

    def draws_to_negative(self) -> bool:
        """The base's."""
        return self.base.draws_to_negative()

    def check(self, steps: int) -> None:
        """Every part's."""
        for part in self._all:
            part.check(steps)

    def idle(self, asked: Asked) -> Idle:
        """Every part's."""
        return {name: reason for part in self._all for name, reason in part.idle(asked).items()}

    def prepare(self, job: Job) -> None:
        """Every part's."""
        for part in self._all:
            part.prepare(job)

    def begin(self, job: Job, trajectory: Trajectory) -> None:
        """Every part's."""
        for part in self._all:
            part.begin(job, trajectory)

    def texts(self, job: Job) -> Mapping[str, Condition]:
        """Every part's."""
        return {name: text for part in self._all for name, text in part.texts(job).items()}

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """Every part's."""
        return [edit for part in self._all for edit in part.edits(model)]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """Every part's."""
        return [edit for part in self._all for edit in part.block_edits(model)]

    def rows(self, branch: Branch, step: Step) -> Sequence[Row]:
        """The base's with what the additions need."""
        rows = self.base.rows(branch, step)
        for addition in self.additions:
            rows = addition.rows_with(rows, branch, step)
        return rows

    def gradient_rows(self, step: Step) -> int:
        """All parts'."""
        return sum(part.gradient_rows(step) for part in self._all)

    def combine(self, predictions: Predictions, branch: Branch, step: Step) -> Guided:
        """The base's combination of the shifted predictions."""
        for addition in self.additions:
            predictions = addition.shifted(predictions, branch, step)
        return self.base.combine(predictions, branch, step)

    def pull(self, predictions: Predictions, branch: Branch, step: Step) -> Tensor:
        """The base's."""
        return self.base.pull(predictions, branch, step)

    def correct(self, original: Tensor, branch: Branch, step: Step) -> Tensor:
        """Every part's, one after the other."""
        for part in self._all:
            original = part.correct(original, branch, step)
        return original

    def after_step(self, state: State, step: Step) -> State:
        """Every part's, one after the other."""
        for part in self._all:
            state = part.after_step(state, step)
        return state

    def notes(self) -> Sequence[str]:
        """Every part's."""
        return [note for part in self._all for note in part.notes()]
