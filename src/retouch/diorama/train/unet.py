"""The U-Net: learns to see the noise in a latent, told the time and a caption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPModel

from retouch.diorama.captions import caption
from retouch.diorama.train import latents, pool
from retouch.diorama.train import tokenizer as tokenizers
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, mixed, replaced
from retouch.diorama.train.recipe import read


@dataclass(frozen=True, kw_only=True)
class UnetRecipe(Steps):
    """The U-Net's size and training.

    Every level attends to the caption, which is left empty with probability ``empty``. A latent cell under the
    subject's mask counts 1 + ``subject_weight`` times. A timestep's error is weighted by min(SNR, ``snr``) / SNR
    (Hang et al. 2023), and divided by ᾱ^``velocity``: 0 measures the error of the noise, 1 that of the velocity, which
    counts the noisiest steps most, where a picture's layout and brightness are decided. ``compile`` pays on a GPU,
    whose time is otherwise spent starting small operations.
    """

    channels: tuple[int, ...]
    layers: int
    heads: int
    norm_num_groups: int
    batch: int
    empty: float
    subject_weight: float
    snr: float
    velocity: float = 0.0
    compile: bool = False
    held_out: int = 128


def scheduler() -> Any:
    """Stable Diffusion's own schedule, with the settings its checkpoints ship."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the U-Net into ``folder/unet``."""
    settings, where = read(UnetRecipe, recipe, "unet", steps), device()
    data = latents.load(folder, where)
    count, channels = len(data.distributions), data.distributions.size(1) // 2
    alphas_cumprod = scheduler().alphas_cumprod.to(where)
    total = len(alphas_cumprod)
    torch.manual_seed(settings.seed)  # the initial weights
    unet = build(settings, channels, data.distributions.size(2), data.embeddings.size(2))
    unet.to(where, memory_format=torch.channels_last).train()
    predict = torch.compile(unet) if settings.compile else unet
    held_out = _held_out(settings, folder, where)

    def measure() -> dict[str, float]:
        return {"mse": held_out_error(unet, alphas_cumprod, *held_out)}

    loop = Loop(unet, settings, folder / "unet.checkpoint.safetensors", report, measure)
    for step in loop:
        random = generator(where, settings.seed, step)
        picked = torch.randint(0, count, (settings.batch,), generator=random, device=where)
        mean, std = data.distributions[picked].float().chunk(2, dim=1)  # (B, C, h, w) each
        original = mean + std * torch.randn(mean.shape, generator=random, device=where)
        which = torch.randint(0, data.rows.size(1), (settings.batch,), generator=random, device=where)
        text = data.rows[picked, which].long()
        text[torch.rand(settings.batch, generator=random, device=where) < settings.empty] = 0
        prompt_embeds = data.embeddings[text].float()  # (B, tokens, width)

        # one timestep from each of B equal stretches: every batch sees the whole range
        spread = torch.arange(settings.batch, device=where) + torch.rand(settings.batch, generator=random, device=where)
        timestep = (spread * (total / settings.batch)).long().clamp(max=total - 1)
        alpha = alphas_cumprod[timestep].view(-1, 1, 1, 1)
        noise = torch.randn(original.shape, generator=random, device=where)
        noisy = (alpha.sqrt() * original + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        with mixed(where):
            predicted = predict(noisy, timestep, prompt_embeds, return_dict=False)[0]

        squared = (predicted.float() - noise).square()
        cells = 1 + settings.subject_weight * data.masks[picked].float()
        snr = (alpha / (1 - alpha)).flatten()
        error = (squared * (cells / cells.mean((1, 2, 3), keepdim=True))).mean((1, 2, 3))
        weight = snr.clamp(max=settings.snr) / snr / alpha.flatten() ** settings.velocity
        loop.learn((weight * error).mean(), mse=squared.mean())

    with loop.averaged():
        unet.save_pretrained(folder / "unet.part")
    return replaced(folder / "unet", by=folder / "unet.part")


def build(settings: UnetRecipe, channels: int, side: int, width: int) -> Any:
    """The untrained network in Stable Diffusion's layout, for latents [channels, side, side]."""
    levels = len(settings.channels)
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        block_out_channels=settings.channels,
        layers_per_block=settings.layers,
        cross_attention_dim=width,
        attention_head_dim=settings.heads,  # in this class the number of heads, whatever its name
        norm_num_groups=settings.norm_num_groups,
    )


@torch.no_grad()
def _held_out(settings: UnetRecipe, folder: Path, where: torch.device) -> tuple[Tensor, Tensor]:
    scenes, pictures = pool.held_out(settings.held_out, where)
    vae: Any = AutoencoderKL.from_pretrained(folder / "vae").to(where)
    clip: Any = CLIPModel.from_pretrained(folder / "clip")
    clip.to(where)
    encoded = [vae.encode(pool.as_images(some)).latent_dist.mode() for some in pictures.split(16)]
    ids = tokenizers.tokens(tokenizers.load(folder), [caption(scene) for scene in scenes]).to(where)
    return torch.cat(encoded) * vae.config.scaling_factor, clip.text_model(input_ids=ids).last_hidden_state


def held_out_error(unet: Any, alphas_cumprod: Tensor, original: Tensor, prompts: Tensor) -> float:
    """Mean squared error of the predicted noise over evenly spread timesteps, with the full captions."""
    count, where = len(original), original.device
    noise = torch.randn(original.shape, generator=generator(where, 0), device=where)
    timestep = (torch.arange(count, device=where) + 0.5).mul(len(alphas_cumprod) / count).long()
    alpha = alphas_cumprod[timestep].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * original + (1 - alpha).sqrt() * noise
    errors = [
        F.mse_loss(unet(z, t, p, return_dict=False)[0], n, reduction="none").mean((1, 2, 3))
        for z, t, p, n in zip(*(x.split(32) for x in (noisy, timestep, prompts, noise)), strict=True)
    ]
    return float(torch.cat(errors).mean())
