"""The base U-Net: learns to see the noise in a picture of 32x32 pixels, told the time and a caption."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from retouch.diorama.captions import caption
from retouch.diorama.train import pool
from retouch.diorama.train.loop import Loop, Report, device, generator, mixed, replaced
from retouch.diorama.train.pixels import t5
from retouch.diorama.train.pixels.network import BASE_SIDE, SIDE, PixelRecipe, build, scheduler
from retouch.diorama.train.pixels.noising import Noising
from retouch.diorama.train.recipe import read


def shrunk(images: Tensor) -> Tensor:
    """Pictures [B, C, 128, 128] as the base stage sees them, [B, C, 32, 32]: the mean of 4x4 pixels."""
    return F.avg_pool2d(images, SIDE // BASE_SIDE)


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the U-Net into ``folder/base``."""
    settings, where = read(PixelRecipe, recipe, "base", steps), device()
    painted, tokenizer, encoder = pool.load(folder, where), t5.load_tokenizer(folder), t5.load_encoder(folder, where)
    scenes, noising = painted.scenes(), Noising.of(scheduler(1.5), where)
    torch.manual_seed(settings.seed)
    unet = build(settings, BASE_SIDE, encoder.config.d_model, enlarges=False)
    unet.to(where, memory_format=torch.channels_last).train()
    predict = torch.compile(unet) if settings.compile else unet
    held_out, pictures = pool.held_out(settings.held_out, where)

    @torch.no_grad()
    def measure() -> dict[str, float]:
        original = shrunk(pool.as_images(pictures))
        states = t5.embeddings(encoder, tokenizer, [caption(scene) for scene in held_out])
        noise = torch.randn(original.shape, generator=generator(where, 0), device=where)
        timestep = (torch.arange(len(original), device=where) + 0.5).mul(len(noising) / len(original)).long()
        noisy = noising.noisy(original, noise, timestep)
        given = zip(*(x.split(32) for x in (noisy, timestep, states, noise)), strict=True)
        errors = [
            noising.noise(settings, unet(x, t, s, return_dict=False)[0][:, :3], x, t).sub(n).square()
            for x, t, s, n in given
        ]
        return {"mse": float(torch.cat(errors).mean())}

    loop = Loop(unet, settings, folder / "base.checkpoint.safetensors", report, measure)
    for step in loop:
        random, wording = generator(where, settings.seed, step), Random(settings.seed * 2**32 + step)
        picked = torch.randint(0, len(painted), (settings.batch,), generator=random, device=where)
        original = shrunk(pool.as_images(painted.pictures[picked]))  # (B, 3, 32, 32)
        texts = [t5.captioned(scenes[i], wording, settings.empty) for i in picked.tolist()]
        states = t5.embeddings(encoder, tokenizer, texts)  # (B, 77, width)
        timestep = noising.spread(settings.batch, random)
        noise = torch.randn(original.shape, generator=random, device=where)
        noisy = noising.noisy(original, noise, timestep)
        with mixed(where):
            predicted = predict(noisy, timestep, states, return_dict=False)[0]
        weight = 1 + settings.subject_weight * shrunk(painted.covered(picked))
        loss, mse = noising.loss(settings, predicted, noisy, noise, timestep, weight)
        loop.learn(loss, mse=mse)

    with loop.averaged():
        unet.save_pretrained(folder / "base.part")
    return replaced(folder / "base", by=folder / "base.part")
