"""The autoencoder: first on crops around the subject, then on whole pictures; or its decoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from retouch.diorama.textures import SIDE
from retouch.diorama.train import pool
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, mixed, replaced
from retouch.diorama.train.recipe import read
from retouch.measures import pixels


@dataclass(frozen=True, kw_only=True)
class VaeRecipe(Steps):
    """The autoencoder's size and training.

    For the first fraction ``crops`` of the steps a batch is ``crop_batch`` crops of 64x64 pixels, 70 % of them near
    the middle, where the subject is; then ``batch`` whole pictures. A pixel under the subject's mask, grown by two
    pixels, counts 1 + ``subject_weight`` times. ``kl_weight`` is per latent element.
    """

    channels: tuple[int, ...]
    latent_channels: int
    norm_num_groups: int
    crops: float
    crop_batch: int
    batch: int
    subject_weight: float
    kl_weight: float
    held_out: int = 48


def train(recipe: str, folder: Path, steps: int | None, report: Report, decoder_only: bool = False) -> Path:
    """Trains the autoencoder into ``folder/vae``; ``decoder_only`` improves the decoder there, the latents stay."""
    stage, done, where = "decoder" if decoder_only else "vae", folder / "vae", device()
    settings = read(VaeRecipe, recipe, stage, steps)
    painted = pool.load(folder, where)
    _, held_out = pool.held_out(settings.held_out, where)
    torch.manual_seed(settings.seed)  # the initial weights
    if decoder_only:
        vae = AutoencoderKL.from_pretrained(folder / "vae")
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    else:
        vae = autoencoder(settings)
    vae.to(where, memory_format=torch.channels_last).train()

    loop = Loop(
        vae, settings, folder / f"{stage}.checkpoint.safetensors", report, lambda: {"psnr": psnr(vae, held_out)}
    )
    for step in loop:
        random = generator(where, settings.seed, step)
        images, weight = _batch(painted, settings, step, random)  # [B, 3, s, s], [B, 1, s, s]
        with mixed(where):
            posterior = vae.encode(images).latent_dist
            noise = torch.randn(posterior.mean.shape, generator=random, device=where)
            decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        error = reconstruction_error(decoded.float(), images, weight)
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loop.learn(error + settings.kl_weight * kl, error=error, kl=kl, latent_std=posterior.mean.std())

    with loop.averaged():
        if not decoder_only:
            vae.register_to_config(scaling_factor=round(1 / _latent_std(vae, painted), 5))
        vae.save_pretrained(folder / f"{stage}.part")
    return replaced(done, by=folder / f"{stage}.part")


def autoencoder(settings: VaeRecipe) -> AutoencoderKL:
    """The untrained network, eight pixels to a latent cell."""
    levels = len(settings.channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.channels,
        layers_per_block=1,
        latent_channels=settings.latent_channels,
        norm_num_groups=settings.norm_num_groups,
        sample_size=SIDE,
    )


def _batch(painted: pool.Pool, settings: VaeRecipe, step: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    def integers(low: int, high: int, count: int) -> Tensor:
        return torch.randint(low, high, (count,), generator=random, device=painted.pictures.device)

    if step < settings.crops * settings.steps:
        count, side = settings.crop_batch, SIDE // 2
        near = torch.rand(count, generator=random, device=painted.pictures.device) < 0.7
        top = torch.where(near, integers(8, 65, count), integers(0, 65, count))
        left = torch.where(near, integers(4, 61, count), integers(0, 65, count))
    else:
        count, side = settings.batch, SIDE
        top = left = integers(0, 1, count)
    along = torch.arange(side, device=painted.pictures.device)
    picked = integers(0, len(painted), count)[:, None, None]
    rows, columns = (top[:, None] + along)[:, :, None], (left[:, None] + along)[:, None, :]
    images = pool.as_images(painted.pictures[picked, rows, columns])
    mask = painted.masks[picked, rows, columns][:, None].float() / 255
    weight = 1 + settings.subject_weight * F.max_pool2d(mask, 5, 1, 2)
    if torch.rand(1, generator=random, device=painted.pictures.device).item() < 0.5:
        images, weight = images.flip(3), weight.flip(3)
    return images.contiguous(memory_format=torch.channels_last), weight


def reconstruction_error(decoded: Tensor, images: Tensor, weight: Tensor) -> Tensor:
    """Absolute and squared differences where they matter most, edges, and the picture at half and quarter size.

    Args:
        decoded, images: [B, 3, H, W] in [-1, 1].
        weight: [B, 1, H, W], of each pixel.
    """
    d = decoded - images
    edges = (d[:, :, 1:] - d[:, :, :-1]).abs().mean() + (d[..., 1:] - d[..., :-1]).abs().mean()
    coarse = F.avg_pool2d(d, 2).abs().mean() + F.avg_pool2d(d, 4).abs().mean()
    return (weight * d.abs()).mean() + 3 * (weight * d.square()).mean() + 0.4 * (edges + coarse)


def psnr(vae: Any, pictures: Tensor) -> float:
    """Mean PSNR in dB of pictures, uint8 [N, 128, 128, 3], after encoding and decoding."""
    values = []
    for some in pictures.split(16):
        images = pool.as_images(some)
        decoded = vae.decode(vae.encode(images).latent_dist.mode()).sample.clamp(-1, 1)
        values.append(pixels.psnr((decoded + 1) / 2, (images + 1) / 2))
    return float(torch.cat(values).mean())


def _latent_std(vae: Any, painted: pool.Pool, count: int = 512) -> float:
    """The standard deviation over the first pictures' latents: diffusion wants it to be 1."""
    means, variances = [], []
    for some in painted.pictures[:count].split(32):
        posterior = vae.encode(pool.as_images(some)).latent_dist
        means.append(posterior.mean)
        variances.append(posterior.var)
    return float((torch.cat(means).var() + torch.cat(variances).mean()).sqrt())
