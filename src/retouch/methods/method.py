"""The base that all methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.parameters import check_all
from retouch.parts.job import Job, Outcome


@dataclass(frozen=True)
class Method:
    """The base of all methods. A subclass is a frozen dataclass whose fields are declared parameters."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    good_for: ClassVar[str]
    needs_source: ClassVar[bool] = True
    optimises: ClassVar[bool] = False  # whether it does long work, with a budget and a checkpoint

    def __post_init__(self) -> None:
        check_all(self)

    def steps(self) -> int:
        """How many steps the progress bar should expect."""
        raise TypeError(f"{type(self).__name__} does not say how many steps it takes")

    def evaluations(self) -> int:
        """How many network evaluations (rows of a batch) one edit costs."""
        raise TypeError(f"{type(self).__name__} does not say what it costs")

    def reconstructs(self, masked: bool = False) -> bool:
        """Whether an edit between equal prompts, with a mask by hand or none, returns the picture, nearly."""
        return False

    def edit(self, job: Job) -> Outcome:
        """Does the edit."""
        raise TypeError(f"{type(self).__name__} does not edit")
