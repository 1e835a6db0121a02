"""No control: one branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from retouch.parts.part import Control


@dataclass
class NoControl(Control):
    """Nothing is attached."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "nothing is shared; the target starts from the source's noise and goes its own way"
