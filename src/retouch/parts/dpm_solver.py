"""One step of SDE-DPM-Solver++ of second order, multistep (Lu et al. 2022), for its sampler and its inversion."""

from __future__ import annotations

from math import log
from typing import NamedTuple

from torch import Tensor

from retouch.backbone.schedule import Level


class Before(NamedTuple):
    """The step above: its ẑ_0, and its e^{−h}."""

    original: Tensor
    decay: float


def decay_between(level: Level, below: Level) -> float:
    """e^{−h} = α σ' / (α' σ) of a step, where h is the rise of λ = log(α / σ): 0 from pure noise, and to none."""
    return float(level.alpha) * float(below.sigma) / (float(below.alpha) * float(level.sigma))


def solved(original: Tensor, noise: Tensor, level: Level, below: Level, before: Before | None) -> tuple[Tensor, float]:
    """The mean z' = α' D + σ' e^{−h} ε and the spread σ' √(1 − e^{−2h}) of the level below.

    D = ẑ_0 + ½ (1 − e^{−2h}) (h / h_before) (ẑ_0 − ẑ_0 before), of first order ẑ_0 itself: at the first step, after one
    from pure noise, and on the last where it ends without noise (h is infinite).

    Args:
        original, noise: ẑ_0 and ε, [B, C, h, w].
        before: the step above; None at the first.
    """
    decay = decay_between(level, below)
    share = 1 - decay**2
    if before is not None and 0 < before.decay < 1 and decay > 0:
        slope = log(decay) / log(before.decay)
        original = original + 0.5 * share * slope * (original - before.original)
    mean = below.alpha * original + below.sigma * decay * noise
    return mean, float(below.sigma) * max(0.0, share) ** 0.5


def spread_of(spread: float) -> float:
    """What a found noise is multiplied by: 1 where nothing is spread, as the noise then is the rest itself."""
    return spread or 1.0
