"""Super-resolution: learns to see the noise in a picture of 128x128 pixels, shown a noised picture of 32x32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from retouch.diorama.captions import caption
from retouch.diorama.train import pool
from retouch.diorama.train.loop import Loop, Report, device, generator, mixed, replaced
from retouch.diorama.train.pixels import t5
from retouch.diorama.train.pixels.base import shrunk
from retouch.diorama.train.pixels.network import SIDE, PixelRecipe, build, noising_scheduler, scheduler
from retouch.diorama.train.pixels.noising import Noising
from retouch.diorama.train.recipe import read


@dataclass(frozen=True, kw_only=True)
class SuperResolutionRecipe(PixelRecipe):
    """The size and training of the second U-Net.

    A share ``whole`` of the steps sees ``whole_batch`` whole pictures, the others squares of ``crop`` pixels. The small
    picture is noised to a level u² ``noisiest``, u uniform in 0..1, as the base stage's own pictures are not perfect.
    """

    crop: int
    whole: float
    whole_batch: int
    noisiest: int


def enlarged(images: Tensor) -> Tensor:
    """Small pictures [B, 3, 32, 32] at 128x128, as IF's second stage enlarges what it is given."""
    return F.interpolate(images, SIDE, mode="bilinear", align_corners=True)


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the U-Net into ``folder/super_resolution``."""
    settings, where = read(SuperResolutionRecipe, recipe, "super_resolution", steps), device()
    painted, tokenizer, encoder = pool.load(folder, where), t5.load_tokenizer(folder), t5.load_encoder(folder, where)
    scenes, noising = painted.scenes(), Noising.of(scheduler(1.0), where)
    coarse = Noising.of(noising_scheduler(), where)
    torch.manual_seed(settings.seed)
    unet = build(settings, SIDE, encoder.config.d_model, enlarges=True)
    unet.to(where, memory_format=torch.channels_last).train()
    predict = torch.compile(unet) if settings.compile else unet
    held_out, pictures = pool.held_out(settings.held_out, where)

    @torch.no_grad()
    def measure() -> dict[str, float]:
        texts, errors, random = [caption(scene) for scene in held_out], list[Tensor](), generator(where, 0)
        for start in range(0, len(texts), 8):
            original = pool.as_images(pictures[start : start + 8])
            count = len(original)
            timestep = ((torch.arange(start, start + count, device=where) + 0.5) * (len(noising) / len(texts))).long()
            level = torch.full((count,), min(100, settings.noisiest), device=where)
            noise, haze = torch.randn((2, *original.shape), generator=random, device=where)
            seen = torch.cat(
                [noising.noisy(original, noise, timestep), coarse.noisy(enlarged(shrunk(original)), haze, level)], 1
            )
            states = t5.embeddings(encoder, tokenizer, texts[start : start + 8])
            predicted = unet(seen, timestep, states, class_labels=level, return_dict=False)[0][:, :3]
            errors.append((predicted - noise).square().mean((1, 2, 3)))
        return {"mse": float(torch.cat(errors).mean())}

    loop = Loop(unet, settings, folder / "super_resolution.checkpoint.safetensors", report, measure)
    for step in loop:
        random, wording = generator(where, settings.seed, step), Random(settings.seed * 2**32 + step)
        whole = wording.random() < settings.whole
        side, count = (SIDE, settings.whole_batch) if whole else (settings.crop, settings.batch)
        picked = torch.randint(0, len(painted), (count,), generator=random, device=where)
        images = pool.as_images(painted.pictures[picked])
        both = torch.cat([images, enlarged(shrunk(images)), painted.covered(picked)], 1)  # (B, 7, 128, 128)
        original, small, subject = _squares(both, side, random).split((3, 3, 1), dim=1)
        level = (torch.rand(count, generator=random, device=where).square() * settings.noisiest).long()
        noise, haze = torch.randn((2, *original.shape), generator=random, device=where)
        timestep = noising.spread(count, random)
        noisy = noising.noisy(original, noise, timestep)
        seen = torch.cat([noisy, coarse.noisy(small, haze, level)], 1)
        seen = seen.contiguous(memory_format=torch.channels_last)
        states = t5.embeddings(
            encoder, tokenizer, [t5.captioned(scenes[i], wording, settings.empty) for i in picked.tolist()]
        )
        with mixed(where):
            predicted = predict(seen, timestep, states, class_labels=level, return_dict=False)[0]
        loss, mse = noising.loss(settings, predicted, noisy, noise, timestep, 1 + settings.subject_weight * subject)
        loop.learn(loss, mse=mse)

    with loop.averaged():
        unet.save_pretrained(folder / "super_resolution.part")
    return replaced(folder / "super_resolution", by=folder / "super_resolution.part")


def _squares(images: Tensor, side: int, random: torch.Generator) -> Tensor:
    """One square of ``side`` pixels of each picture, anywhere."""
    most = images.size(-1) - side + 1
    corners = torch.randint(0, most, (len(images), 2), generator=random, device=images.device).tolist()
    return torch.stack(
        [image[:, top : top + side, left : left + side] for image, (top, left) in zip(images, corners, strict=True)]
    )
