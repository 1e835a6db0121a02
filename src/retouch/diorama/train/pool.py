"""The pool: training pictures and their masks, painted once by all cores, and the held-out pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from retouch.diorama.painter import paint_array
from retouch.diorama.scene import TRAINING_SEEDS_FROM, Scene, random_scene
from retouch.diorama.textures import SIDE
from retouch.diorama.train.chunks import arrays, in_chunks
from retouch.diorama.train.loop import Report
from retouch.diorama.train.recipe import read

HELD_OUT_FROM = 10_000_000
"""Held-out scenes start at this seed, below those for training."""


@dataclass(frozen=True)
class PoolRecipe:
    """How many training pictures there are."""

    size: int


@dataclass(frozen=True)
class Pool:
    """The training pictures, uint8 [N, 128, 128, 3], and the subjects' masks, uint8 [N, 128, 128]."""

    pictures: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def covered(self, picked: Tensor) -> Tensor:
        """The subjects' masks of these pictures, float [B, 1, 128, 128] in 0..1."""
        return self.masks[picked][:, None].float() / 255

    def scenes(self) -> list[Scene]:
        """The scenes the pictures show."""
        return [random_scene(TRAINING_SEEDS_FROM + i) for i in range(len(self))]


def make(recipe: str, folder: Path, report: Report) -> Path:
    """Paints the pool into ``folder/pool``; an interrupted painting goes on where it was."""
    size, done = read(PoolRecipe, recipe, "pool").size, folder / "pool"
    if done.exists():
        return done
    part = folder / "pool.part"
    arrays(part, pictures=((size, SIDE, SIDE, 3), np.uint8), masks=((size, SIDE, SIDE), np.uint8))
    in_chunks(_paint, part, size, report)
    os.replace(part, done)
    return done


def _paint(part: Path, start: int, stop: int) -> None:
    pictures = np.lib.format.open_memmap(part / "pictures.npy", mode="r+")
    masks = np.lib.format.open_memmap(part / "masks.npy", mode="r+")
    for i in range(start, stop):
        pictures[i], masks[i] = paint_array(random_scene(TRAINING_SEEDS_FROM + i))
    pictures.flush()
    masks.flush()


def load(folder: Path, where: torch.device) -> Pool:
    """The painted pool: on a GPU in its memory, on a CPU left on the disk and read as needed."""
    pictures, masks = (
        torch.from_numpy(np.load(folder / "pool" / f"{n}.npy", mmap_mode="c")) for n in ("pictures", "masks")
    )
    if where.type == "cuda":
        pictures, masks = pictures.to(where), masks.to(where)
    return Pool(pictures, masks)


def held_out(count: int, where: torch.device) -> tuple[list[Scene], Tensor]:
    """Scenes nothing is trained on and their pictures, uint8 [count, 128, 128, 3]."""
    scenes = [random_scene(HELD_OUT_FROM + i) for i in range(count)]
    return scenes, torch.from_numpy(np.stack([paint_array(scene)[0] for scene in scenes])).to(where)


def as_images(pictures: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] as float [B, 3, H, W] in [-1, 1], in channels-last memory."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
