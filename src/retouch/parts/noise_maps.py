"""What a stochastic sampler and the inversions made for it agree on: η, the posterior, and the noise it must add."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.backbone.schedule import Level, Schedule
from retouch.errors import BadParameter
from retouch.parameters import parameter

_ROWS, _FEW = 8, 2  # of one network batch; and where memory is low

Once = Callable[[Hashable, int, Callable[[], list[Tensor]]], list[Tensor]]
"""Takes a name for some maps, how many evaluations they cost and what makes them; makes them unless it has them."""


def stochasticity() -> float:
    """The parameter η."""
    value: float = parameter(
        1.0, "η: how much of the noise is new at every step; 1 is DDPM, 0 is DDIM", low=0, high=1,
        source="DDIM, equation 16",
    )  # fmt: skip
    return value


def check_noisy(eta: float) -> None:
    """Refuses η = 0 where noise maps are to be found.

    Raises:
        BadParameter: saying so.
    """
    if not eta:
        raise BadParameter("stochasticity is 0, where no noise is added: this inversion needs more than 0.")


def posterior(original: Tensor, noise: Tensor, level: Level, below: Level, eta: float) -> tuple[Tensor, float]:
    """Mean and standard deviation of z_{t-1} given ẑ_0 and ε.

    s = η √((1−ᾱ')/(1−ᾱ)) √(1−ᾱ/ᾱ'), mean = √ᾱ' ẑ_0 + √(1−ᾱ'−s²) ε (DDIM, equations 12 and 16; η = 1 is DDPM).
    """
    alpha, sigma, alpha_below, sigma_below = (float(x) for x in (level.alpha, level.sigma, below.alpha, below.sigma))
    spread = eta * sigma_below / sigma * max(0.0, 1 - (alpha / alpha_below) ** 2) ** 0.5
    mean = alpha_below * original + max(0.0, sigma_below**2 - spread**2) ** 0.5 * noise
    return mean, spread


@torch.no_grad()
def noise_maps(
    model: Backbone,
    path: Sequence[Tensor],
    schedule: Schedule,
    text: Condition,
    null: Condition | None,
    *,
    guidance_scale: float,
    eta: float,
    progress: Callable[[int], None] | None = None,
    once: Once | None = None,
) -> list[Tensor]:
    """The noises that lead a stochastic sampler down a path: n_t = (z_{t-1} − mean(z_t)) / s.

    All latents of the path are known beforehand, so the steps are evaluated together.

    Args:
        path: z_0 and the latents at the schedule's levels from the lowest up, [1, C, h, w] each.
        text, null: what guidance combines on the way down; no ``null`` for the text's prediction as it is.
        eta: η of the sampler, above 0.
        once: keeps the maps of each batch of levels, for another call with the same path up to there.

    Returns:
        one [1, C, h, w] for every schedule index below ``len(path) - 1``.
    """
    conditions = [text] if null is None else [null, text]
    at_once = max(1, (_FEW if model.memory == "low" else _ROWS) // len(conditions))
    found: list[Tensor] = []
    for first in range(0, len(path) - 1, at_once):
        indices = range(first, min(first + at_once, len(path) - 1))

        def batch(indices: range = indices) -> list[Tensor]:
            latents = torch.cat([path[i + 1] for i in indices])
            timesteps = torch.tensor([schedule.timesteps[i] for i in indices] * len(conditions))
            told = Condition.cat([one.expand(len(indices)) for one in conditions])
            predicted = model.predict(latents.repeat(len(conditions), 1, 1, 1), timesteps, told).chunk(len(conditions))
            combined = predicted[0] if null is None else predicted[0] + guidance_scale * (predicted[1] - predicted[0])
            return [
                _map(path, index, combined[row : row + 1], schedule, model.prediction_type, eta)
                for row, index in enumerate(indices)
            ]

        found += once((first, len(indices)), len(indices) * len(conditions), batch) if once else batch()
        if progress:
            progress(len(indices))
    return found


def _map(path: Sequence[Tensor], index: int, predicted: Tensor, schedule: Schedule, kind: str, eta: float) -> Tensor:
    """The noise that leads from the path's level ``index + 1`` to the one below."""
    original, noise = schedule.level(index).split(predicted, path[index + 1], kind)
    mean, spread = posterior(original, noise, schedule.level(index), schedule.level(index - 1), eta)
    return (path[index] - mean) / spread
