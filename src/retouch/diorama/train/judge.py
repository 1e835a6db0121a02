"""The judge's training: on paintings alone, harmed a little, so that it also holds on what an autoencoder returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from retouch.diorama.judge import JudgeNetwork
from retouch.diorama.textures import SIDE
from retouch.diorama.train import pool
from retouch.diorama.train.augment import augmented
from retouch.diorama.train.labels import ATTRIBUTES, VALUES, labels
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, mixed, replaced
from retouch.diorama.train.recipe import read


@dataclass(frozen=True, kw_only=True)
class JudgeRecipe(Steps):
    """The judge's size and batch."""

    channels: tuple[int, ...]
    hidden: int
    batch: int
    held_out: int = 512


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the judge into ``folder/judge``."""
    settings, where = read(JudgeRecipe, recipe, "judge", steps), device()
    painted = pool.load(folder, where)
    truths = torch.tensor([labels(scene) for scene in painted.scenes()], device=where)  # [N, attributes]
    scenes, pictures = pool.held_out(settings.held_out, where)
    expected = torch.tensor([labels(scene) for scene in scenes], device=where)
    torch.manual_seed(settings.seed)  # the initial weights
    network = JudgeNetwork(VALUES, settings.channels, settings.hidden, SIDE)
    network.to(where).train()

    def measure() -> dict[str, float]:
        parts = [network(pool.as_images(some)) for some in pictures.split(64)]
        guesses = torch.stack([torch.cat(part).argmax(1) for part in zip(*parts, strict=True)], dim=1)
        right = (guesses == expected).float().mean(0).tolist()
        return dict(zip(ATTRIBUTES, right, strict=True))

    loop = Loop(network, settings, folder / "judge.checkpoint.safetensors", report, measure)
    for step in loop:
        random = generator(where, settings.seed, step)
        picked = torch.randint(0, len(painted), (settings.batch,), generator=random, device=where)
        images = augmented(pool.as_images(painted.pictures[picked]), random)
        with mixed(where):
            logits = network(images.contiguous(memory_format=torch.channels_last))
        truth = truths[picked].unbind(1)
        losses = [F.cross_entropy(part.float(), t) for part, t in zip(logits, truth, strict=True)]
        loop.learn(torch.stack(losses).sum())

    with loop.averaged():
        network.save(folder / "judge.part")
    return replaced(folder / "judge", by=folder / "judge.part")
