"""Noised pictures, and the loss of the noise and of the variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retouch.diorama.train.pixels.network import PixelRecipe


@dataclass(frozen=True)
class Noising:
    """The schedule as the losses need it, on the training's device.

    Attributes:
        alphas_cumprod, betas: [T] float32.
    """

    alphas_cumprod: Tensor
    betas: Tensor

    @classmethod
    def of(cls, scheduler: Any, where: torch.device) -> Noising:
        """From a scheduler."""
        return cls(scheduler.alphas_cumprod.to(where), scheduler.betas.to(where))

    def __len__(self) -> int:
        return len(self.betas)

    def spread(self, count: int, random: torch.Generator) -> Tensor:
        """One timestep from each of ``count`` equal stretches, [count]: every batch sees the whole range."""
        where = self.betas.device
        spread = torch.arange(count, device=where) + torch.rand(count, generator=random, device=where)
        return (spread * (len(self) / count)).long().clamp(max=len(self) - 1)

    def noisy(self, original: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """x_t of pictures [B, 3, H, W], in channels-last memory."""
        alpha = self.alphas_cumprod[timestep].view(-1, 1, 1, 1)
        return (alpha.sqrt() * original + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)

    def noise(self, settings: PixelRecipe, predicted: Tensor, noisy: Tensor, timestep: Tensor) -> Tensor:
        """ε of what the network predicted, [B, 3, H, W] without the variances."""
        if settings.prediction == "epsilon":
            return predicted
        alpha = self.alphas_cumprod[timestep].view(-1, 1, 1, 1)
        return alpha.sqrt() * predicted + (1 - alpha).sqrt() * noisy

    def loss(
        self, settings: PixelRecipe, predicted: Tensor, noisy: Tensor, noise: Tensor, timestep: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss to learn from, and the plain mean squared error of the noise to show.

        Args:
            predicted: [B, 6, H, W], of noise or velocity, and of the variance.
            noisy, noise: x_t and ε in it, [B, 3, H, W].
            weight: of every pixel, [B, 1, H, W].
        """
        told, variance = predicted.float().chunk(2, dim=1)
        mean = self.noise(settings, told, noisy, timestep)
        alpha = self.alphas_cumprod[timestep]
        snr = alpha / (1 - alpha)
        scale = snr.clamp(max=settings.snr) / snr / alpha.clamp(min=1e-4) ** settings.velocity
        if settings.prediction == "epsilon":
            squared, scale = (told - noise).square(), scale.clamp(max=100)
        else:  # the error of v is that of ε, divided by √ᾱ
            a = alpha.view(-1, 1, 1, 1)
            original = (noisy - (1 - a).sqrt() * noise) / a.sqrt()
            squared, scale = (told - (a.sqrt() * noise - (1 - a).sqrt() * original)).square(), scale * alpha
        error = (squared * (weight / weight.mean((1, 2, 3), keepdim=True))).mean((1, 2, 3))
        bound = self.bound(mean.detach(), variance, noise, timestep) if settings.variance_weight else torch.zeros(())
        return (scale * error).mean() + settings.variance_weight * bound.mean(), (mean - noise).square().mean()

    def bound(self, mean: Tensor, variance: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """L_vlb / T of every picture [B], in nats a value, for the variance's sake.

        The divergence of the true step back from x_t and the predicted one, whose means differ by the error of the
        noise alone and whose log variance lies between that of the true step and log β. At the last step, where the
        true variance is none, it is taken from the step before, as the schedulers do.
        """
        earlier = (timestep - 1).clamp(min=0)
        alpha, before = self.alphas_cumprod[timestep], self.alphas_cumprod[earlier]
        before = torch.where(timestep == 0, torch.ones_like(before), before)
        beta = 1 - alpha / before
        low = (beta * (1 - before) / (1 - alpha)).clamp(min=1e-20).log()
        first = (self.betas[1] * (1 - self.alphas_cumprod[0]) / (1 - self.alphas_cumprod[1])).log()
        low = torch.where(timestep == 0, first, low).view(-1, 1, 1, 1)
        share = (variance + 1) / 2
        log = share * self.betas[timestep].log().view(-1, 1, 1, 1) + (1 - share) * low
        factor = (beta.square() / ((alpha / before) * (1 - alpha))).view(-1, 1, 1, 1)  # of the squared error of means
        apart = factor * (mean - noise).square()
        divergence = 0.5 * (log - low + (low - log).exp() + apart * (-log).exp() - 1)
        return divergence.mean((1, 2, 3))
