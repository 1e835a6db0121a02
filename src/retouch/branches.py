"""The vocabulary of the editing loop: branches, the named rows of one network batch, and a step of the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from retouch.backbone.schedule import Schedule


class Row(NamedTuple):
    """One row of a batch: which branch's latent is evaluated under which text. Rows are named, never counted.

    Branches: ``source`` (should reproduce the picture), ``target`` (carries the edit) and ``inverted`` (z*_t as the
    inversion left it, never denoised). Texts: ``source``, ``target``, ``null`` (the target's ∅) and ``source_null``
    (the source branch's ∅, which some inversions choose otherwise).
    """

    branch: str
    text: str

    def __str__(self) -> str:
        return f"{self.branch}/{self.text}"


SOURCE = Row("source", "source")
SOURCE_NULL = Row("source", "source_null")
TARGET = Row("target", "target")
TARGET_NULL = Row("target", "null")
TARGET_AS_SOURCE = Row("target", "source")
INVERTED = Row("inverted", "source")


def taken_from_source(rows: Sequence[Row]) -> list[int] | None:
    """For every row the place of the row whose features it gets where the target takes the source's: its own, else.

    Returns:
        None where there is no source row.
    """
    if SOURCE not in rows:
        return None
    source = list(rows).index(SOURCE)
    return [source if row.branch == "target" else i for i, row in enumerate(rows)]


State = dict[str, "Tensor"]
"""The latents [1, C, h, w] of the branches denoised side by side, by branch name."""


@dataclass(frozen=True)
class Step:
    """One denoising step: ``index`` counts down the schedule (T-1 … 0), ``number`` counts up from 0, of ``total``."""

    index: int
    number: int
    total: int
    schedule: Schedule

    @property
    def timestep(self) -> int:
        """The training timestep at which the network is evaluated."""
        return self.schedule.timesteps[self.index]

    @property
    def done(self) -> float:
        """The share of the steps already taken, 0 at the first step."""
        return self.number / self.total

    def within(self, share: float) -> bool:
        """Whether this is among the first ``share`` (0..1) of the steps, see :func:`whole_steps`."""
        return self.number < whole_steps(share, self.total)


def whole_steps(share: float, total: int) -> int:
    """How many steps a share of ``total`` is: what is no whole step is rounded down, as in the public codes."""
    return int(share * total + 1e-9)  # 0.29 · 100 is 28.999999999999996
