"""The noise schedule of a checkpoint: its sampling timesteps, a DDIM step down and its exact inverse up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from math import ceil
from typing import Any

import torch
from torch import Tensor

from retouch.errors import BadModel, BadParameter

_PURE_NOISE = 1e-6  # ᾱ below this counts as zero; Stable Diffusion's smallest is 5e-3

PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""What a network may predict: the noise, v = α ε − σ z_0, or the picture."""


@dataclass(frozen=True)
class Level:
    """A noise level: z = α z_0 + σ ε.

    For DDPM's schedules α = √ᾱ and σ = √(1−ᾱ); for a rectified flow they would be 1 − s and s. Everything that turns
    predictions into latents is written in the two, and nothing here divides by α where a network predicts v or z_0.

    Attributes:
        alpha, sigma: numbers, or tensors that broadcast over a batch whose rows lie at levels of their own.
    """

    alpha: float | Tensor
    sigma: float | Tensor

    def add_noise(self, original: Tensor, noise: Tensor) -> Tensor:
        """α z_0 + σ ε."""
        return self.alpha * original + self.sigma * noise

    def original(self, latents: Tensor, noise: Tensor) -> Tensor:
        """ẑ_0 = (z − σ ε) / α; α must not be 0."""
        return (latents - self.sigma * noise) / self.alpha

    def noise(self, prediction: Tensor, latents: Tensor, kind: str) -> Tensor:
        """ε, from what a network of ``kind`` predicted for ``latents``.

        ``v_prediction``: ε = α v + σ z (Salimans & Ho 2022). ``sample``: ε = (z − α ẑ_0) / σ.
        """
        match kind:
            case "epsilon":
                return prediction
            case "v_prediction":
                return self.alpha * prediction + self.sigma * latents
            case "sample":
                return (latents - self.alpha * prediction) / self.sigma
        raise BadModel(f"the model predicts {kind!r}; known are {', '.join(PREDICTIONS)}.")

    def split(self, prediction: Tensor, latents: Tensor, kind: str) -> tuple[Tensor, Tensor]:
        """(ẑ_0, ε) of what a network of ``kind`` predicted for ``latents``; all shapes equal."""
        noise = self.noise(prediction, latents, kind)
        match kind:
            case "epsilon":
                return self.original(latents, noise), noise
            case "v_prediction":
                return self.alpha * latents - self.sigma * prediction, noise
        return prediction, noise

    def noise_scale(self, kind: str) -> float | Tensor:
        """dε / d prediction: a difference of predictions in units of noise (negative where z_0 is predicted)."""
        match kind:
            case "epsilon":
                return 1.0
            case "v_prediction":
                return self.alpha
        return -self.alpha / self.sigma


@dataclass(frozen=True)
class Threshold:
    """Dynamic thresholding (Saharia et al. 2022, section 2.3), as diffusers' schedulers do it.

    Attributes:
        ratio: the share of a picture's values that shall lie inside; their quantile is the threshold s.
        most: how large s may be; it is at least 1.
    """

    ratio: float
    most: float

    def __call__(self, original: Tensor) -> Tensor:
        """ẑ_0 [B, C, h, w] clipped to ±s and divided by s, each picture by its own."""
        s = torch.quantile(original.float().abs().flatten(1), self.ratio, dim=1).clamp(1.0, self.most)
        s = s.to(original.dtype).view(-1, 1, 1, 1)
        return original.clamp(-s, s) / s


@dataclass(frozen=True)
class Schedule:
    """T sampling timesteps t_1 < … < t_T and the noise levels at them (Song et al. 2021, equation 12 with η = 0).

    Index ``i`` counts from 0 (t_1, nearly clean) to T - 1 (t_T, nearly noise); -1 is the picture itself. ᾱ below t_1
    is the checkpoint's "final alpha".

    Attributes:
        timesteps: ascending training timesteps.
        alphas_cumprod: ᾱ_t for every training timestep, float64 [num_train_timesteps].
        final_alpha_cumprod: ᾱ at index -1.
        threshold: what a guided ẑ_0 is clipped by, in models of pixels; None where nothing is.
    """

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    final_alpha_cumprod: float
    threshold: Threshold | None = None

    def alpha(self, index: int) -> float:
        """ᾱ at ``index``, -1..T-1."""
        return self.final_alpha_cumprod if index < 0 else self._alphas[index]

    @cached_property
    def _alphas(self) -> list[float]:
        """At every index: looked up once, and not by every step."""
        return [float(self.alphas_cumprod[timestep]) for timestep in self.timesteps]

    def level(self, index: int) -> Level:
        """The noise level at ``index``, -1..T-1."""
        a = self.alpha(index)
        return Level(a**0.5, (1 - a) ** 0.5)

    def step_down(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """The DDIM step from ``index`` to ``index - 1``: α' ẑ_0 + σ' ε; all shapes equal, α at ``index`` above 0."""
        return self.level(index - 1).add_noise(self.level(index).original(latents, noise), noise)

    def down(self, prediction: Tensor, latents: Tensor, index: int, kind: str) -> Tensor:
        """The DDIM step down from what a network of ``kind`` predicted for ``latents`` at ``index``."""
        return self.level(index - 1).add_noise(*self.level(index).split(prediction, latents, kind))

    def split(self, prediction: Tensor, latents: Tensor, index: int, kind: str) -> tuple[Tensor, Tensor]:
        """(ẑ_0, ε) of a prediction."""
        return self.level(index).split(prediction, latents, kind)

    def down_guided(self, prediction: Tensor, latents: Tensor, index: int, kind: str) -> Tensor:
        """The same from a prediction that was guided, whose ẑ_0 is clipped where the model's is."""
        return self.level(index - 1).add_noise(*self.split_guided(prediction, latents, index, kind))

    def split_guided(self, prediction: Tensor, latents: Tensor, index: int, kind: str) -> tuple[Tensor, Tensor]:
        """(ẑ_0, ε) of a guided prediction; where ẑ_0 is clipped, ε is what is left of ``latents``."""
        level = self.level(index)
        original, noise = level.split(prediction, latents, kind)
        if self.threshold is None:
            return original, noise
        clipped = self.threshold(original)
        return clipped, (latents - level.alpha * clipped) / level.sigma

    def step_up(self, latents: Tensor, noise: Tensor, index: int) -> Tensor:
        """The inverse of :meth:`step_down`: from ``index - 1`` to ``index`` with the same noise."""
        return self.level(index).add_noise(self.level(index - 1).original(latents, noise), noise)

    def add_noise(self, original: Tensor, noise: Tensor, index: int) -> Tensor:
        """α z_0 + σ ε at ``index``."""
        return self.level(index).add_noise(original, noise)

    def upto(self, steps: float) -> Schedule:
        """The lowest ``steps`` (0..T) of the schedule; a last part of a step is one that starts on the way.

        At 14.3 of steps 50 training timesteps apart it starts 15 above the fourteenth: a level that the network was
        trained at.
        """
        whole, count = round(steps, 9), steps_upto(steps)
        kept = self.timesteps[:count]
        if count > whole:
            below = self.timesteps[count - 2] if count > 1 else 0
            share = whole - (count - 1)
            on_the_way = max(1, ceil(round(share * (kept[-1] - below), 6)))  # however small the share
            kept = (*kept[:-1], min(kept[-1], below + on_the_way))
        return replace(self, timesteps=kept)

    def level_of(self, timestep: int | Tensor, like: Tensor) -> Level:
        """The level at one training timestep or at one per row, as tensors that broadcast over ``like`` [B, …]."""
        if isinstance(timestep, int):  # numbers that stay where they are: a GPU is not kept waiting for them
            one = self.alphas_cumprod[timestep].to(like.dtype)
            return Level(one.sqrt(), (1 - one).sqrt())
        index = torch.as_tensor(timestep).reshape(-1).cpu()
        alpha = self.alphas_cumprod[index].to(like).reshape(-1, *[1] * (like.ndim - 1))
        return Level(alpha.sqrt(), (1 - alpha).sqrt())


def steps_upto(steps: float) -> int:
    """How many steps lead down from ``steps`` steps up: a part of one is a step, too."""
    return ceil(round(steps, 9))  # 0.7 · 20 may be 14.000000000000002


def schedule_from_config(config: Mapping[str, Any], num_inference_steps: int) -> Schedule:
    """The schedule that a checkpoint's scheduler config gives for ``num_inference_steps`` (spacing, offset, final ᾱ).

    A zero-terminal-SNR checkpoint (Lin et al. 2024) has ᾱ_T = 0 at its last timestep, where ε says nothing of z_0.

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
        known = signature(DDIMScheduler.__init__).parameters  # of other schedulers' settings it would warn
        scheduler: Any = DDIMScheduler(**{key: said for key, said in config.items() if key in known})
        scheduler.set_timesteps(num_inference_steps)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise BadModel(
            f"the model's scheduler_config.json gives no sampling timesteps ({type(error).__name__}), its fields "
            "contradict each other: mend the file, or fetch the model again."
        ) from error
    timesteps = sorted(int(t) for t in scheduler.timesteps)[-num_inference_steps:]  # "trailing" may add a t below 0
    overflow = max(0, timesteps[-1] - (train_steps - 1))  # "leading" with an offset, as many steps as in training
    timesteps = [t - overflow for t in timesteps]
    alphas = scheduler.alphas_cumprod.double()
    if prediction_type(config) == "epsilon" and alphas[timesteps[-1]] < _PURE_NOISE:
        raise BadModel(
            f"the model's schedule samples pure noise at timestep {timesteps[-1]}, where predicting noise says nothing "
            "of the picture: say that it predicts v (prediction=v), or that it is not trained so far (zero_snr=no)."
        )
    threshold = None
    if config.get("thresholding"):
        ratio, most = config.get("dynamic_thresholding_ratio", 0.995), config.get("sample_max_value", 1.0)
        threshold = Threshold(float(ratio), float(most))
    return Schedule(tuple(timesteps), alphas, float(scheduler.final_alpha_cumprod), threshold)


def prediction_type(config: Mapping[str, Any]) -> str:
    """What the network predicts: "epsilon", "v_prediction" or "sample"."""
    return str(config.get("prediction_type", "epsilon"))
