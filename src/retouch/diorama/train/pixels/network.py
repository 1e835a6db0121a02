"""The U-Nets of the cascade in DeepFloyd IF's layout, and their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers import DDPMScheduler, UNet2DConditionModel

from retouch.diorama.train.loop import Steps

BASE_SIDE, SIDE = 32, 128


@dataclass(frozen=True, kw_only=True)
class PixelRecipe(Steps):
    """The size and training of one U-Net of the cascade.

    ``channels`` of every level, and which of them attend (``attends``, to themselves and to the caption at once), by
    heads of ``head_dim`` channels. Captions are left empty with probability ``empty``; a pixel under the subject's mask
    counts 1 + ``subject_weight`` times. ``prediction`` is "epsilon" or "v_prediction"; the base predicts v, because a
    picture's brightness and hues are decided at steps of almost pure noise, where ε says next to nothing of them. A
    timestep's error is weighted by min(SNR, ``snr``) / SNR and divided by ᾱ^``velocity``, as the latent U-Net's: with
    velocity 1 it is that of v, whatever is predicted. ``variance_weight`` weighs the variational bound that teaches the
    variances (Nichol and Dhariwal 2021, equation 16).
    """

    channels: tuple[int, ...]
    attends: tuple[bool, ...]
    head_dim: int
    norm_num_groups: int
    batch: int
    empty: float = 0.1
    subject_weight: float = 1.0
    snr: float = 5.0
    velocity: float = 0.5
    prediction: str = "epsilon"
    variance_weight: float = 1e-3
    compile: bool = False
    held_out: int = 128


def scheduler(sample_max_value: float, prediction: str = "epsilon") -> Any:
    """IF's cosine schedule, learned variances and dynamic thresholding."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=sample_max_value,
        prediction_type=prediction,
    )


def noising_scheduler() -> Any:
    """With which the small picture is noised before it is enlarged from: linear, as IF's second stage has it."""
    return DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")


def build(settings: PixelRecipe, side: int, width: int, *, enlarges: bool) -> Any:
    """The untrained network for pictures [3, side, side]; one that ``enlarges`` takes the enlarged small picture as
    three more channels, and the level of the noise on it as a second time."""
    down = ["SimpleCrossAttnDownBlock2D" if attends else "ResnetDownsampleBlock2D" for attends in settings.attends]
    up = ["SimpleCrossAttnUpBlock2D" if attends else "ResnetUpsampleBlock2D" for attends in settings.attends]
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=6 if enlarges else 3,
        out_channels=6,  # the noise, and where the variance lies between its bounds
        down_block_types=tuple(down),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=tuple(reversed(up)),
        block_out_channels=settings.channels,
        layers_per_block=1,
        cross_attention_dim=width,
        encoder_hid_dim=width,
        attention_head_dim=settings.head_dim,
        norm_num_groups=settings.norm_num_groups,
        act_fn="silu",
        time_embedding_act_fn="silu",
        resnet_time_scale_shift="scale_shift",
        resnet_skip_time_act=True,
        resnet_out_scale_factor=1.414,
        mid_block_scale_factor=1.414,
        cross_attention_norm="group_norm",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        class_embed_type="timestep" if enlarges else None,
    )
