"""The vocabulary of the editing loop: branches, the named rows of one network batch, and a step of the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from retouch.backbone.schedule import Level, Schedule


class Row(NamedTuple):
    """One row of a batch: which branch's latent is evaluated under which text. Rows are named, never counted.

    Branches: ``source`` (should reproduce the picture), ``target`` (carries the edit) and ``inverted`` (z*_t as the
    inversion left it, never denoised). Texts: ``source``, ``target``, ``null`` (the target's ∅), ``source_null``
    (the source branch's ∅, which some inversions choose otherwise), and whatever else an inversion adds. ``variant``
    names evaluations in which the network runs otherwise, such as ``perturbed``; "" as it is.
    """

    branch: str
    text: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.branch}/{self.text}" + (f"/{self.variant}" if self.variant else "")


SOURCE = Row("source", "source")
SOURCE_NULL = Row("source", "source_null")
TARGET = Row("target", "target")
TARGET_NULL = Row("target", "null")
TARGET_AS_SOURCE = Row("target", "source")
TARGET_NEGATIVE = Row("target", "negative")  # a negative prompt, where it does not take the null text's place
INVERTED = Row("inverted", "source")


class Branch(NamedTuple):
    """A latent that is denoised, with the row of its prompt and that of its null text."""

    name: str
    text: Row
    null: Row


SOURCE_BRANCH = Branch("source", SOURCE, SOURCE_NULL)
TARGET_BRANCH = Branch("target", TARGET, TARGET_NULL)


def taken_from_source(rows: Sequence[Row]) -> list[int] | None:
    """For every row the place of the row whose features it gets where the target takes the source's: its own, else.

    Returns:
        None where there is no source row.
    """
    if SOURCE not in rows:
        return None
    source = list(rows).index(SOURCE)
    return [source if row.branch == "target" else i for i, row in enumerate(rows)]


def picked(batch: Tensor, order: Sequence[int]) -> Tensor:
    """The rows of a batch in this order, as a view where they are evenly spaced.

    (An index of numbers would be copied to the GPU, and the processor waits for it.)
    """
    even = _evenly(order)
    return torch.cat([batch[i : i + 1] for i in order]) if even is None else batch[even]


def put(batch: Tensor, order: Sequence[int], rows: Tensor) -> None:
    """Writes ``rows`` into these rows of a batch."""
    even = _evenly(order)
    if even is not None:
        batch[even] = rows
        return
    for i, row in zip(order, rows, strict=True):
        batch[i] = row


def _evenly(rows: Sequence[int]) -> slice | None:
    """Rows as a slice; None where they are not evenly spaced."""
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    even = step > 0 and list(rows) == list(range(rows[0], rows[-1] + 1, step))
    return slice(rows[0], rows[-1] + 1, step) if even else None


def variants_of(row: Row, rows: Sequence[Row]) -> list[Row]:
    """Those of ``rows`` that evaluate the same latent under the same text: a control treats them alike."""
    return [other for other in rows if other[:2] == row[:2]]


State = dict[str, Tensor]
"""The latents [1, C, h, w] of the branches denoised side by side, by branch name."""


@dataclass
class Step:
    """One denoising step: ``index`` counts down the schedule (T-1 … 0), ``number`` counts up from 0, of ``total``.

    ``rows`` are those of the batch that the network is evaluated on right now: edits read them. ``state`` holds the
    branches' latents where the step starts.
    """

    index: int
    number: int
    total: int
    schedule: Schedule
    rows: Sequence[Row] = ()
    state: State = field(default_factory=dict)

    @property
    def timestep(self) -> int:
        """The training timestep at which the network is evaluated."""
        return self.schedule.timesteps[self.index]

    @property
    def done(self) -> float:
        """The share of the steps already taken, 0 at the first step."""
        return self.number / self.total

    def within(self, share: float) -> bool:
        """Whether the step is among the first ``share`` (0..1) of all; a share of no whole steps is rounded down."""
        return self.number < whole_steps(share, self.total)

    @property
    def level(self) -> Level:
        """The noise level that the step starts from."""
        return self.schedule.level(self.index)

    @property
    def below(self) -> Level:
        """The noise level that it leads to."""
        return self.schedule.level(self.index - 1)


def whole_steps(share: float, total: int) -> int:
    """How many whole steps a share of ``total`` is: rounded down, as the public codes do.

    A share that is a whole number of steps is that many: 0.29 of 100 are 29, where int(0.29 * 100) is 28.
    """
    return int(share * total + 1e-9)  # 0.29 · 100 is 28.999999999999996
