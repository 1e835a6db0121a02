"""What the U-Net is trained on: the pool's latents, as distributions, and embeddings of the pictures' captions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPModel

from retouch.diorama.captions import caption
from retouch.diorama.scene import TRAINING_SEEDS_FROM, random_scene
from retouch.diorama.train import pool
from retouch.diorama.train import tokenizer as tokenizers
from retouch.diorama.train.chunks import arrays, in_chunks
from retouch.diorama.train.loop import Report, device

FULL, VARIED = 2, 3
"""Captions per picture: the full one counts twice, beside three variations."""


@dataclass(frozen=True)
class Latents:
    """Scaled latents: mean and standard deviation [N, 2 C, h, w]; masks [N, 1, h, w] in 0..1.

    ``rows`` [N, captions] points into ``embeddings`` [texts, tokens, width], whose first row is the empty caption.
    """

    distributions: Tensor
    masks: Tensor
    rows: Tensor
    embeddings: Tensor


def make(recipe: str, folder: Path, report: Report) -> Path:
    """Encodes the pool's pictures into ``folder/latents``."""
    done, part = folder / "latents", folder / "latents.part"
    if done.exists():
        return done
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    count = len(np.load(folder / "pool" / "pictures.npy", mmap_mode="r"))
    side = vae.config.sample_size // 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (count, 2 * vae.config.latent_channels, side, side)
    arrays(part, distributions=(shape, np.float16), masks=((count, 1, side, side), np.float16))
    in_chunks(_encode, part, count, report, processes=1 if device().type == "cuda" else None)
    os.replace(part, done)
    return done


@torch.no_grad()
def _encode(part: Path, start: int, stop: int) -> None:
    where = device()
    if where.type == "cpu" and torch.get_num_threads() > 1:
        torch.set_num_threads(1)  # the other cores have processes of their own
    vae = AutoencoderKL.from_pretrained(part.parent / "vae").to(where, memory_format=torch.channels_last).eval()
    painted = pool.load(part.parent, torch.device("cpu"))
    distributions, masks = (np.lib.format.open_memmap(part / f"{n}.npy", mode="r+") for n in ("distributions", "masks"))
    for i in range(start, stop, 16):
        j = min(i + 16, stop)
        posterior = vae.encode(pool.as_images(painted.pictures[i:j].to(where))).latent_dist
        both = torch.cat([posterior.mean, posterior.std], dim=1) * vae.config.scaling_factor
        distributions[i:j] = both.half().cpu().numpy()
        mask = painted.masks[i:j, None].float() / 255
        masks[i:j] = F.avg_pool2d(mask, mask.size(-1) // both.size(-1)).half().numpy()
    distributions.flush()
    masks.flush()


def make_captions(folder: Path, report: Report) -> Path:
    """Embeds the captions of the pool's pictures into ``folder/captions``."""
    done, part, where = folder / "captions", folder / "captions.part", device()
    if done.exists():
        return done
    count = len(np.load(folder / "pool" / "pictures.npy", mmap_mode="r"))
    index: dict[str, int] = {"": 0}
    rows = np.empty((count, FULL + VARIED), np.int32)
    for i in range(count):
        scene, random = random_scene(TRAINING_SEEDS_FROM + i), Random(i)
        texts = [caption(scene)] * FULL + [caption(scene, random) for _ in range(VARIED)]
        rows[i] = [index.setdefault(text, len(index)) for text in texts]
    texts = list(index)
    tokenizer = tokenizers.load(folder)
    clip: Any = CLIPModel.from_pretrained(folder / "clip")
    clip.to(where).eval()
    width = clip.config.text_config.hidden_size
    part.mkdir(exist_ok=True)
    embeddings = np.lib.format.open_memmap(
        part / "embeddings.npy", mode="w+", dtype=np.float16, shape=(len(texts), tokenizers.MAX_LENGTH, width)
    )
    with torch.no_grad():
        for i in range(0, len(texts), 256):
            ids = tokenizers.tokens(tokenizer, texts[i : i + 256]).to(where)
            embeddings[i : i + 256] = clip.text_model(input_ids=ids).last_hidden_state.half().cpu().numpy()
    embeddings.flush()
    np.save(part / "rows.npy", rows)
    os.replace(part, done)
    report(f"captions: {len(texts)} texts for {count} pictures")
    return done


def load(folder: Path, where: torch.device) -> Latents:
    """Everything on ``where``; on a CPU the embeddings stay on the disk and are read as needed."""
    read = {
        name: torch.from_numpy(np.load(folder / stage / f"{name}.npy", mmap_mode="c" if name == "embeddings" else None))
        for stage, names in (("latents", ("distributions", "masks")), ("captions", ("rows", "embeddings")))
        for name in names
    }
    return Latents(**{name: tensor.to(where) for name, tensor in read.items()})
