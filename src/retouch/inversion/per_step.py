"""What null-text and prompt-tuning inversion share: at every timestep a few Adam steps on one text's embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.parameters import parameter
from retouch.parts.asked import Idle
from retouch.parts.trajectory import Progress

Keep = Literal["best", "last"]

Lead = Callable[[Condition], Tensor]
"""The latents [1, C, h, w] one step down under a text."""


def inner_steps() -> int:
    """The parameter."""
    value: int = parameter(10, "Adam steps per timestep at most; 0 fits nothing", low=0, high=1000, unit="steps")
    return value


def learning_rate() -> float:
    """The parameter."""
    value: float = parameter(0.01, "Adam's learning rate at the first timestep; it falls to half", low=0, high=1)
    return value


def early_stop() -> float:
    """The parameter."""
    value: float = parameter(
        1e-5, "a timestep's fit ends below this loss times 1 + 2i at step i; 0 never ends early", low=0, high=1
    )
    return value


def idle_without_steps(inner_steps: int, learning_rate: float) -> Idle:
    """What does not act in fits that are none."""
    if inner_steps == 0:
        return dict.fromkeys(("learning_rate", "early_stop"), "inner_steps is 0, and nothing is fitted")
    if learning_rate == 0:
        return dict.fromkeys(("inner_steps", "early_stop"), "learning_rate is 0, and nothing is fitted")
    return {}


@dataclass(frozen=True)
class FittedTexts:
    """What the fits leave, each by schedule index.

    Attributes:
        conditions: T texts.
        path: T + 1 latents: where sampling under these texts passes, from ``path[T]`` = z*_T down to ``path[0]``.
        losses: T pairs: the loss at the start of each timestep's fit, and at its end.
    """

    conditions: Sequence[Condition]
    path: Sequence[Tensor]
    losses: Sequence[tuple[float, float]]


def fit_along(
    latents: Sequence[Tensor],
    start: Condition,
    lead_from: Callable[[Tensor, int], Lead],
    *,
    inner_steps: int = 10,
    learning_rate: float = 1e-2,
    early_stop: float = 1e-5,
    keep: Keep = "best",
    progress: Progress | None = None,
) -> FittedTexts:
    """Fits one text per timestep, from the noisiest down, so that sampling follows z*.

    At each t, from the current z̄_t: min over the embedding of mean((z*_{t-1} − lead)²), warm-started from the one
    above; z̄_{t-1} is where the optimum leads.

    Args:
        latents: z*_0 … z*_T.
        start: the first timestep's start.
        lead_from: given z̄_t and its schedule index, where a text leads from there.
        inner_steps: Adam steps at most, from 0.
        learning_rate: of the first timestep; at step ``i`` of ``T`` it is lr (1 − i / 2T), the published
            1e-2 (1 − i/100) at T = 50 (Mokady et al. 2023, section 3.2, and the authors' code).
        early_stop: a loss below this times 1 + 2i is good enough; 0 never stops early.
        keep: the "best" text of those tried, or the "last", which Adam's last step leads to, that after a good enough
            loss included: as the authors' code.
    """
    total, current, text = len(latents) - 1, latents[-1], start
    path, fitted, losses = [current], list[Condition](), list[tuple[float, float]]()
    for number in range(total):
        index = total - 1 - number
        rate, enough = learning_rate * (1 - number / (2 * total)), early_stop * (1 + 2 * number)
        found = _minimised(text, latents[index], lead_from(current, index), inner_steps, rate, enough, keep)
        text, current = found.condition, found.latents
        path.append(current)
        fitted.append(text)
        losses.append((found.first_loss, found.loss))
        if progress:
            progress(1)
    return FittedTexts(fitted[::-1], path[::-1], losses[::-1])


@dataclass(frozen=True)
class _Minimum:
    """The text that was kept, the latents it leads to, and its loss beside that of the start."""

    condition: Condition
    latents: Tensor
    first_loss: float
    loss: float


def _minimised(
    start: Condition, target: Tensor, lead: Lead, inner_steps: int, learning_rate: float, enough: float, keep: Keep
) -> _Minimum:
    """Minimises mean((target − lead(embeds))²) over the text's embeddings from ``start``.

    Of all that were tried the best is kept, so the loss never grows, or the last; what it leads to has been evaluated
    then and need not be again. ``inner_steps + 1`` evaluations at most, each but the last with a backward pass.
    """
    embeds = start.embeds.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([embeds], lr=learning_rate)
    kept: _Minimum | None = None
    stops = False
    for attempt in range(inner_steps + 1):
        last = stops or attempt == inner_steps
        with torch.set_grad_enabled(not last):
            latents = lead(start.with_embeds(embeds))
            loss = torch.nn.functional.mse_loss(latents, target)
        value = float(loss.detach())
        if kept is None or value < kept.loss or keep == "last":
            first = value if kept is None else kept.first_loss
            kept = _Minimum(start.with_embeds(embeds.detach().clone()), latents.detach(), first, value)
        stops = value < enough
        if last or (stops and keep == "best"):
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert kept is not None
    return kept
