"""A fit per timestep, as null-text and prompt-tuning inversion make it: a few Adam steps on one embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.inversion.trajectory import Progress

Lead = Callable[[Tensor], Tensor]
"""The latents [1, C, h, w] one step down under an embedding [1, tokens, dim]."""


@dataclass(frozen=True)
class Fit:
    """How hard to try at every timestep (Mokady et al. 2023, section 3.2, and the authors' code).

    Attributes:
        inner_steps: Adam steps at most, from 0.
        learning_rate: of the first timestep; at step ``i`` of ``T`` it is lr (1 − i / 2T), the published
            1e-2 (1 − i/100) at T = 50.
        tolerance: a loss below ``tolerance`` (1 + 2i) is good enough; 0 never stops early.
    """

    inner_steps: int = 10
    learning_rate: float = 1e-2
    tolerance: float = 1e-5


@dataclass(frozen=True)
class FittedTexts:
    """What the fits leave, each by schedule index.

    Attributes:
        embeds: T embeddings [1, tokens, dim].
        path: T + 1 latents: where sampling under these embeddings passes, from ``path[T]`` = z*_T down to ``path[0]``.
        losses: T pairs: the loss at the start of each timestep's fit, and at its end.
    """

    embeds: Sequence[Tensor]
    path: Sequence[Tensor]
    losses: Sequence[tuple[float, float]]


def fit_along(
    latents: Sequence[Tensor],
    start: Tensor,
    lead_from: Callable[[Tensor, int], Lead],
    fit: Fit,
    progress: Progress | None = None,
) -> FittedTexts:
    """Fits one embedding per timestep, from the noisiest down, so that sampling follows z*.

    At each t, from the current z̄_t: min over the embedding of mean((z*_{t-1} − lead)²), warm-started from the one
    above; z̄_{t-1} is where the optimum leads.

    Args:
        latents: z*_0 … z*_T.
        start: the first timestep's start, [1, tokens, dim].
        lead_from: given z̄_t and its schedule index, where an embedding leads from there.
    """
    total, current, embeds = len(latents) - 1, latents[-1], start
    path, fitted, losses = [current], list[Tensor](), list[tuple[float, float]]()
    for number in range(total):
        index = total - 1 - number
        learning_rate = fit.learning_rate * (1 - number / (2 * total))
        enough = fit.tolerance * (1 + 2 * number)
        found = _minimised(embeds, latents[index], lead_from(current, index), fit.inner_steps, learning_rate, enough)
        embeds, current = found.embeds, found.latents
        path.append(current)
        fitted.append(embeds)
        losses.append((found.first_loss, found.loss))
        if progress:
            progress(1)
    return FittedTexts(fitted[::-1], path[::-1], losses[::-1])


@dataclass(frozen=True)
class _Minimum:
    """The best embedding [1, tokens, dim], the latents it leads to, and its loss beside that of the start."""

    embeds: Tensor
    latents: Tensor
    first_loss: float
    loss: float


def _minimised(
    start: Tensor, target: Tensor, lead: Lead, inner_steps: int, learning_rate: float, enough: float
) -> _Minimum:
    """Minimises mean((target − lead(embeds))²) over ``embeds`` from ``start``.

    Of all embeddings that were tried the best is kept, so the loss never grows; what it leads to has been evaluated
    then and need not be again. ``inner_steps + 1`` evaluations at most, each but the last with a backward pass.
    """
    embeds = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([embeds], lr=learning_rate)
    best: _Minimum | None = None
    for attempt in range(inner_steps + 1):
        last = attempt == inner_steps
        with torch.set_grad_enabled(not last):
            latents = lead(embeds)
            loss = torch.nn.functional.mse_loss(latents, target)
        value = float(loss.detach())
        if best is None or value < best.loss:
            first = value if best is None else best.first_loss
            best = _Minimum(embeds.detach().clone(), latents.detach(), first, value)
        if last or value < enough:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert best is not None
    return best
