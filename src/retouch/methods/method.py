"""The base that all methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.parameters import check_all
from retouch.parts.asked import Asked, Idle
from retouch.parts.job import Job, Outcome


@dataclass(frozen=True)
class Method:
    """The base of all methods. A subclass is a frozen dataclass whose fields are declared parameters."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    good_for: ClassVar[str]
    needs_source: ClassVar[bool] = True
    how: ClassVar[str] = "in its own way"  # how it edits, in a few words, where it is made of no parts
    optimises: ClassVar[bool] = False  # whether it does long work, with a budget and a checkpoint
    takes_foreground: ClassVar[bool] = False  # whether it treats the subject apart, where it is told where it is
    takes_reference: ClassVar[bool] = False  # whether another picture's background plays a part
    takes_negative: ClassVar[bool] = False  # whether guidance may lead away from a negative prompt
    keeps_at_a_cost: ClassVar[bool] = True  # whether it runs otherwise where the rest of the picture is to be kept

    def __post_init__(self) -> None:
        check_all(self)

    @classmethod
    def made_of(cls) -> str:
        """What it is made of, or how else it edits, in a few words."""
        return cls.how

    def steps(self) -> int:
        """How many steps the progress bar should expect."""
        raise TypeError(f"{type(self).__name__} does not say how many steps it takes")

    def evaluations(self) -> int:
        """How many network evaluations (rows of a batch) one edit costs; at most, where prompts turn out the same."""
        raise TypeError(f"{type(self).__name__} does not say what it costs")

    def idle(self, asked: Asked) -> Idle:
        """What cannot act on an edit as it is asked, with the reason.

        Names of parameters, and of an edit's arguments: "mask", "foreground", "reference", "source", "target",
        "negative_prompt", "budget", "checkpoint".
        """
        found = {}
        if not self.takes_foreground:
            found["foreground"] = f"{self.name} does not treat the subject apart"
        if not self.takes_reference:
            found["reference"] = f"{self.name} takes no other picture's background"
        elif asked.fitted:
            found["reference"] = "the fit that is given has seen its reference"
        if not self.optimises or asked.fitted:
            why = "the fit is made" if self.optimises else f"{self.name} does no work that could end early"
            found |= {"budget": why, "checkpoint": why}
        if not self.takes_negative:
            found["negative_prompt"] = f"{self.name} leads away from no text"
        return found

    def draws_to_negative(self) -> bool:
        """Whether its guidance is so weak that a negative prompt would draw the picture towards itself."""
        return False

    def negative_text(self, negative: str, source: str | None) -> str:
        """What the network is told for a negative prompt: that alone, unless the null text is taken already."""
        return negative

    def reconstructs(self, masked: bool = False) -> bool:
        """Whether an edit between equal prompts, with a mask by hand or none, returns the picture, nearly."""
        return False

    def edit(self, job: Job) -> Outcome:
        """Does the edit."""
        raise TypeError(f"{type(self).__name__} does not edit")
