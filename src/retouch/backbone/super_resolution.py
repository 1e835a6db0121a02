"""The second stage of a pixel cascade: a U-Net that draws the large picture, shown the small one and told the text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.condition import Condition
from retouch.backbone.schedule import Schedule, prediction_type, schedule_from_config
from retouch.backbone.timestep import on_device
from retouch.parameters import check_all, parameter

SECOND = "super_resolution"
"""What a second stage is called: its folder in the base stage's, and its weights in a fit."""


@dataclass(frozen=True)
class Enlarging:
    """How the second stage samples."""

    num_inference_steps: int = parameter(50, "denoising steps", low=1, high=1000, unit="steps")
    guidance_scale: float = parameter(
        4.0, "w: how strongly the text pulls; 1 is no guidance", low=0, high=50, source="IFSuperResolutionPipeline"
    )
    noise_level: int = parameter(
        250, "how far the small picture is noised: what it shows wrongly can be drawn anew",
        low=0, high=999, unit="timestep", source="IFSuperResolutionPipeline",
    )  # fmt: skip

    strength: float = parameter(
        1.0, "1 starts from noise, as IF's own pipeline does; less, from the enlarged small picture under so much "
        "of it, in so much fewer steps: its colours stay", low=0, high=1,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_all(self)


class SuperResolution:
    """A stage in the layout of DeepFloyd IF's second (diffusers' ``IFSuperResolutionPipeline``).

    Attributes:
        unet: takes the noisy large picture beside the enlarged small one, and the latter's noise level as a class.
        enlarging: how it samples.
        evaluations: of its network so far, in rows.
    """

    def __init__(
        self, unet: Any, schedule_config: Mapping[str, Any], alphas_cumprod: Tensor, enlarging: Enlarging | None = None
    ) -> None:
        """``alphas_cumprod`` [T] are those of the noise on the small picture."""
        self.unet, self.schedule_config, self.alphas_cumprod = unet, dict(schedule_config), alphas_cumprod
        self.enlarging, self.evaluations = enlarging or Enlarging(), 0

    @property
    def side(self) -> int:
        """Of the pictures that it was trained to draw, in pixels."""
        return int(self.unet.config.sample_size)

    @property
    def prediction_type(self) -> str:
        """What the network predicts, see :data:`retouch.backbone.schedule.PREDICTIONS`."""
        return prediction_type(self.schedule_config)

    @property
    def dtype(self) -> torch.dtype:
        """The network's precision."""
        parameter: Tensor = next(self.unet.parameters())
        return parameter.dtype

    @property
    def _schedule(self) -> Schedule:
        return schedule_from_config(self.schedule_config, self.enlarging.num_inference_steps)

    def prepared(self, small: Tensor, size: tuple[int, int], haze: Tensor, level: Tensor) -> Tensor:
        """The small pictures [B, 3, h, w] as the network is shown them: enlarged to ``size`` and noised."""
        large = functional.interpolate(small, size, mode="bilinear", align_corners=True)
        alpha = self.alphas_cumprod.to(small)[level].view(-1, 1, 1, 1)
        return alpha.sqrt() * large + (1 - alpha).sqrt() * haze.to(large)

    def predict(self, noisy: Tensor, shown: Tensor, timestep: int | Tensor, level: Tensor, text: Condition) -> Tensor:
        """What the network predicts, in its own terms and without variances: float32 [B, 3, H, W].

        Args:
            noisy, shown: the large pictures on their way, and what :meth:`prepared` made of the small ones.
            level: of the noise on these, [B].
        """
        self.evaluations += len(noisy)
        output: Tensor = self.unet(
            torch.cat([noisy, shown], dim=1).to(self.dtype), on_device(timestep, noisy.device),
            encoder_hidden_states=text.embeds.to(self.dtype), class_labels=level, return_dict=False,
        )[0]  # fmt: skip
        return output[:, : noisy.shape[1]].float()

    def _under_noise(self, small: Tensor, noise: Tensor, schedule: Schedule) -> Tensor:
        """The enlarged small pictures at the schedule's noisiest level."""
        size = (noise.shape[-2], noise.shape[-1])
        large = functional.interpolate(small.to(noise), size, mode="bilinear", align_corners=True)
        return schedule.add_noise(large, noise, len(schedule.timesteps) - 1)

    @torch.no_grad()
    def enlarge(
        self, small: Tensor, factor: int, text: Condition, null: Condition, seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> Tensor:  # fmt: skip
        """Large pictures, float32 [B, 3, factor·h, factor·w] in -1..1, by DDIM from noise.

        All pictures of one size and seed start from the same noise: two that differ in one place differ in hardly any
        other afterwards.

        Args:
            small: [B, 3, h, w] in -1..1.
            text, null: what they show, B rows, and nothing, one row.
        """
        size, rows = (factor * small.shape[-2], factor * small.shape[-1]), len(small)
        generator = torch.Generator().manual_seed(seed)
        haze, noise = (torch.randn(1, 3, *size, generator=generator).expand(rows, -1, -1, -1) for _ in range(2))
        level = torch.full((rows,), self.enlarging.noise_level, device=small.device)
        shown, latents = self.prepared(small.float(), size, haze, level), noise.to(small.device)
        schedule, scale = self._schedule, self.enlarging.guidance_scale
        if self.enlarging.strength < 1:
            schedule = schedule.upto(self.enlarging.strength * self.enlarging.num_inference_steps)
            latents = self._under_noise(small, latents, schedule)
        kind = self.prediction_type
        both = Condition.cat([null.expand(rows), text])
        for index in reversed(range(len(schedule.timesteps))):
            t = schedule.timesteps[index]
            if scale == 1:
                predicted = self.predict(latents, shown, t, level, text)
            else:
                empty, full = self.predict(
                    latents.repeat(2, 1, 1, 1), shown.repeat(2, 1, 1, 1), t, level.repeat(2), both
                ).chunk(2)
                predicted = empty + scale * (full - empty)
            latents = schedule.down_guided(predicted, latents, index, kind)
            if progress:
                progress(1)
        return latents.clamp(-1, 1)


def second_of(model: object) -> SuperResolution | None:
    """The second stage of a backbone that is a cascade of several; None for all others."""
    stage = getattr(model, "super_resolution", None)
    return stage if isinstance(stage, SuperResolution) else None
