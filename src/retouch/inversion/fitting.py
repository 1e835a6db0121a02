"""The inner loop of null-text and prompt-tuning inversion: a few Adam steps on one embedding at one timestep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


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
class Fitted:
    """The best embedding [1, tokens, dim], the latents it leads to, and its loss beside that of the start."""

    embeds: Tensor
    latents: Tensor
    first_loss: float
    loss: float


def fit_embedding(
    start: Tensor, target: Tensor, lead: Callable[[Tensor], Tensor], fit: Fit, number: int, total: int
) -> Fitted:
    """Minimises mean((target − lead(embeds))²) over ``embeds`` from ``start``.

    Of all embeddings that were tried the best is kept, so the loss never grows; what it leads to has been evaluated
    then and need not be again. ``inner_steps + 1`` evaluations at most, each but the last with a backward pass.

    Args:
        start: [1, tokens, dim].
        target: z*_{t-1}, [1, C, h, w].
        lead: the latents one step down under an embedding.
        number, total: which timestep this is, from 0, and how many there are.
    """
    embeds = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([embeds], lr=fit.learning_rate * (1 - number / (2 * total)))
    enough = fit.tolerance * (1 + 2 * number)
    best: Fitted | None = None
    for attempt in range(fit.inner_steps + 1):
        last = attempt == fit.inner_steps
        with torch.set_grad_enabled(not last):
            latents = lead(embeds)
            loss = torch.nn.functional.mse_loss(latents, target)
        value = float(loss.detach())
        if best is None or value < best.loss:
            first = value if best is None else best.first_loss
            best = Fitted(embeds.detach().clone(), latents.detach(), first, value)
        if last or value < enough:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert best is not None
    return best
