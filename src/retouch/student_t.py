"""Student's t, for intervals of few cases or raters."""

from __future__ import annotations

import math
from functools import cache

import numpy as np


@cache
def student_t(freedom: float, chance: float) -> float:
    """What Student's t stays below in size but for ``chance``: of (1 + t²/ν)^(-(ν+1)/2), t = √ν tan φ, over φ.

    Args:
        freedom: ν, at least 1; need not be whole.
        chance: 0..1, of both tails together: 0.05 for an interval of 95 %.
    """
    angles = np.linspace(0, math.pi / 2, 20_001)
    density = np.cos(angles) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(freedom) * math.tan(float(np.interp(1 - chance, below / below[-1], angles)))
