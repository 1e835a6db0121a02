"""The noise schedule of a checkpoint: its sampling timesteps, a DDIM step down and its exact inverse up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retouch.errors import BadModel, BadParameter

_PURE_NOISE = 1e-6  # ᾱ below this counts as zero; Stable Diffusion's smallest is 5e-3


@dataclass(frozen=True)
class Schedule:
    """T sampling timesteps t_1 < … < t_T and the noise levels at them (Song et al. 2021, equation 12 with η = 0).

    Index ``i`` counts from 0 (t_1, nearly clean) to T - 1 (t_T, nearly noise); -1 is the picture itself. ᾱ below t_1
    is the checkpoint's "final alpha".

    Attributes:
        timesteps: ascending training timesteps.
        alphas_cumprod: ᾱ_t for every training timestep, float64 [num_train_timesteps].
        final_alpha_cumprod: ᾱ at index -1.
    """

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    final_alpha_cumprod: float

    def alpha(self, index: int) -> float:
        """ᾱ at ``index``, -1..T-1."""
        return self.final_alpha_cumprod if index < 0 else float(self.alphas_cumprod[self.timesteps[index]])

    def predicted_original(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """ẑ_0 = (z_t − √(1−ᾱ_t) ε) / √ᾱ_t, for latents at ``index``; all shapes equal."""
        a = self.alpha(index)
        return (latents - (1 - a) ** 0.5 * noise) / a**0.5

    def from_original(self, original: Tensor, noise: Tensor, index: int) -> Tensor:
        """√ᾱ_{t-1} ẑ_0 + √(1−ᾱ_{t-1}) ε: the latents one step below ``index``."""
        b = self.alpha(index - 1)
        return b**0.5 * original + (1 - b) ** 0.5 * noise

    def step_down(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """The DDIM step from ``index`` to ``index - 1``."""
        return self.from_original(self.predicted_original(latents, noise, index), noise, index)

    def step_up(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """The inverse of :meth:`step_down`: from ``index - 1`` to ``index`` with the same noise."""
        a, b = self.alpha(index), self.alpha(index - 1)
        original = (latents - (1 - b) ** 0.5 * noise) / b**0.5
        return a**0.5 * original + (1 - a) ** 0.5 * noise

    def add_noise(self, original: Tensor, noise: Tensor, index: int) -> Tensor:
        """√ᾱ_t z_0 + √(1−ᾱ_t) ε at ``index``."""
        a = self.alpha(index)
        return a**0.5 * original + (1 - a) ** 0.5 * noise


def schedule_from_config(config: Mapping[str, Any], num_inference_steps: int) -> Schedule:
    """The schedule that a checkpoint's scheduler config gives for ``num_inference_steps`` (spacing, offset, final ᾱ).

    A zero-terminal-SNR checkpoint (Lin et al. 2024) has ᾱ_T = 0 at its last timestep, where ε says nothing of z_0: the
    level 1e-6 stands in there, which a network that predicts v or z_0 bears well.

    Raises:
        BadParameter: when the number of steps is not in 1..num_train_timesteps.
        BadModel: when the config describes no such schedule, or samples a timestep of pure noise (ᾱ = 0) although the
            network predicts ε.
    """
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    train_steps = int(config.get("num_train_timesteps", 1000))
    if not 1 <= num_inference_steps <= train_steps:
        raise BadParameter(
            f"num_inference_steps is {num_inference_steps}, expected a whole number in 1..{train_steps}."
        )
    try:
        scheduler: Any = DDIMScheduler.from_config(dict(config))
        scheduler.set_timesteps(num_inference_steps)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise BadModel(f"the model's scheduler config gives no sampling timesteps: {error}") from error
    timesteps = sorted(int(t) for t in scheduler.timesteps)[-num_inference_steps:]  # "trailing" may add a t below 0
    overflow = max(0, timesteps[-1] - (train_steps - 1))  # "leading" with an offset, as many steps as in training
    timesteps = [t - overflow for t in timesteps]
    alphas = scheduler.alphas_cumprod.double()
    if prediction_type(config) == "epsilon" and alphas[timesteps[-1]] < _PURE_NOISE:
        raise BadModel(
            f"the model's schedule samples pure noise at timestep {timesteps[-1]}, where predicting noise says nothing "
            "of the picture: its scheduler config should say prediction_type 'v_prediction' or 'sample'."
        )
    return Schedule(tuple(timesteps), alphas.clamp(min=_PURE_NOISE), float(scheduler.final_alpha_cumprod))


PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""What a network may predict: the noise, v = √ᾱ ε − √(1−ᾱ) z_0, or the picture."""


def prediction_type(config: Mapping[str, Any]) -> str:
    """What the network predicts: "epsilon", "v_prediction" or "sample"."""
    return str(config.get("prediction_type", "epsilon"))


def to_epsilon(output: Tensor, latents: Tensor, alpha: Tensor, kind: str) -> Tensor:
    """The network's output as predicted noise ε.

    ``v_prediction``: ε = √ᾱ v + √(1−ᾱ) z (Salimans & Ho 2022). ``sample``: ε = (z − √ᾱ ẑ_0) / √(1−ᾱ).

    Args:
        alpha: ᾱ_t, broadcastable to ``output``.
        kind: what the network predicts.
    """
    match kind:
        case "epsilon":
            return output
        case "v_prediction":
            return alpha.sqrt() * output + (1 - alpha).sqrt() * latents
        case "sample":
            return (latents - alpha.sqrt() * output) / (1 - alpha).sqrt()
    raise BadModel(f"the model predicts {kind!r}; known are epsilon, v_prediction and sample.")


def alphas_for(alphas_cumprod: Tensor, timestep: int | Tensor, like: Tensor) -> Tensor:
    """ᾱ at one timestep or at one per row, shaped to broadcast over ``like`` [B, …]."""
    index = torch.as_tensor(timestep).reshape(-1).cpu()
    return alphas_cumprod[index].to(like).reshape(-1, *[1] * (like.ndim - 1))
