"""CLIP: pictures and captions in one space, told apart down to a single attribute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from retouch.diorama.captions import caption
from retouch.diorama.scene import Scene
from retouch.diorama.train import pool
from retouch.diorama.train import tokenizer as tokenizers
from retouch.diorama.train.augment import augmented
from retouch.diorama.train.labels import (
    ATTRIBUTES,
    VALUES,
    claims,
    labels,
    wrong_caption,
    wrongable,
)
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, mixed, replaced
from retouch.diorama.train.recipe import read

SIDE = 64
"""Pixels of the picture CLIP sees: half the painting's, averaged over 2x2."""
_SILENT = -1


@dataclass(frozen=True, kw_only=True)
class ClipRecipe(Steps):
    """Both towers' size and the training.

    Every picture comes with its caption and ``wrong`` captions that differ in one attribute; ``focus`` says how much
    more often an attribute is the wrong one (in the order of the attributes). ``name_weight`` weighs a linear readout
    of all attributes from the picture's features, thrown away afterwards: it teaches the vision tower where to look.
    """

    width: int
    layers: int
    heads: int
    patch: int
    projection: int
    batch: int
    wrong: int
    focus: tuple[float, ...]
    name_weight: float
    held_out: int = 512


class Readout(nn.Module):
    """CLIP with the training's linear readout of the attributes."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        self.heads = nn.Linear(clip.config.vision_config.hidden_size, sum(len(v) for v in VALUES.values()))

    def pictures(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, projection] of length 1, and the readout of the attributes."""
        pooled = self.clip.vision_model(pixel_values=images).pooler_output
        return F.normalize(self.clip.visual_projection(pooled), dim=-1), self.heads(pooled)

    def texts(self, ids: Tensor) -> Tensor:
        """Features [B, projection] of length 1."""
        return F.normalize(self.clip.text_projection(self.clip.text_model(input_ids=ids).pooler_output), dim=-1)


def train(recipe: str, folder: Path, steps: int | None, report: Report, vision_only: bool = False) -> Path:
    """Trains CLIP into ``folder/clip``; ``vision_only`` improves what sees there, the text embeddings stay."""
    stage, where = "vision" if vision_only else "clip", device()
    settings = read(ClipRecipe, recipe, stage, steps)
    painted, tokenizer = pool.load(folder, where), tokenizers.load(folder)
    scenes = painted.scenes()
    truths = torch.tensor([labels(scene) for scene in scenes], device=where)  # [N, attributes]
    held_out = pool.held_out(settings.held_out, where)
    torch.manual_seed(settings.seed)
    if vision_only:
        model = Readout(CLIPModel.from_pretrained(folder / "clip"))
        model.clip.text_model.requires_grad_(False)
    else:
        model = Readout(CLIPModel(config(settings, tokenizer)))
    model.to(where).train()

    def measure() -> dict[str, float]:
        return agreement(model, tokenizer, *held_out)

    loop = Loop(model, settings, folder / f"{stage}.checkpoint.safetensors", report, measure)
    for step in loop:
        random, wording = generator(where, settings.seed, step), Random(settings.seed * 2**32 + step)
        picked = torch.randint(0, len(painted), (settings.batch,), generator=random, device=where)
        texts, said = _captions([scenes[i] for i in picked.tolist()], settings, wording)
        images = augmented(half(pool.as_images(painted.pictures[picked])), random, shift=2)
        truth = truths[picked]
        with mixed(where):
            seen, named = model.pictures(images)
            read_ = model.texts(tokenizers.tokens(tokenizer, texts).to(where))
        scale = model.clip.logit_scale.exp().clamp(max=60)
        logits = scale * seen.float() @ read_.float().T  # [B, B * (1 + wrong)], the true captions first

        claimed = torch.tensor(said, device=where)
        also_true = ((claimed[None] == _SILENT) | (claimed[None] == truth[:, None])).all(-1)
        own = torch.arange(settings.batch, device=where)
        also_true[own, own] = False
        logits = logits.masked_fill(also_true, -1e4)
        contrast = F.cross_entropy(logits, own) + F.cross_entropy(logits[:, : settings.batch].T, own)
        parts = named.float().split([len(v) for v in VALUES.values()], dim=1)
        naming = torch.stack([F.cross_entropy(part, truth[:, i]) for i, part in enumerate(parts)]).mean()
        loop.learn(contrast + settings.name_weight * naming, contrast=contrast, naming=naming, scale=scale)

    with loop.averaged():
        model.clip.save_pretrained(folder / f"{stage}.part")
    return replaced(folder / "clip", by=folder / f"{stage}.part")


def config(settings: ClipRecipe, tokenizer: CLIPTokenizer) -> CLIPConfig:
    """Two equal towers in CLIP's layout."""
    tower = {
        "hidden_size": settings.width,
        "intermediate_size": 4 * settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "projection_dim": settings.projection,
        "hidden_act": "quick_gelu",
    }
    text = tower | {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizers.MAX_LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = tower | {"image_size": SIDE, "patch_size": settings.patch}
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=settings.projection)


def half(images: Tensor) -> Tensor:
    """Images [B, 3, 128, 128] as CLIP sees them: [B, 3, 64, 64]."""
    return F.avg_pool2d(images, 2)


def _captions(scenes: list[Scene], settings: ClipRecipe, random: Random) -> tuple[list[str], list[list[int]]]:
    """One caption per scene, then all the wrong ones; and what each of them claims."""
    texts, wrong = [], []
    for scene in scenes:
        wording = random.getrandbits(48)
        text = caption(scene, Random(wording))
        texts.append(text)
        candidates = wrongable(scene, text)
        weights = [settings.focus[ATTRIBUTES.index(name)] for name in candidates]
        for name in random.choices(candidates, weights, k=settings.wrong):
            wrong.append(wrong_caption(scene, text, wording, name, random))
    return texts + wrong, [claims(text) for text in texts + wrong]


def agreement(model: Readout, tokenizer: CLIPTokenizer, scenes: list[Scene], pictures: Tensor) -> dict[str, float]:
    """How often the right caption is the best of 32, and how often it beats one with an attribute swapped."""
    where = pictures.device

    def texts(captions: list[str]) -> Tensor:
        ids = tokenizers.tokens(tokenizer, captions).to(where)
        return torch.cat([model.texts(some) for some in ids.split(128)])

    seen = torch.cat([model.pictures(half(pool.as_images(some)))[0] for some in pictures.split(128)])
    right = texts([caption(scene) for scene in scenes])
    groups = len(scenes) // 32
    table = torch.einsum("gid,gjd->gij", *(f[: groups * 32].view(groups, 32, -1) for f in (seen, right)))
    figures = {"of_32": float((table.argmax(2) == torch.arange(32, device=where)).float().mean())}
    random = Random(0)
    for name in ATTRIBUTES:
        chosen, true, false = [], [], []
        for i, scene in enumerate(scenes):
            wording = naming(scene, name, random)
            if wording is None:
                continue
            text = caption(scene, Random(wording))
            chosen.append(i)
            true.append(text)
            false.append(wrong_caption(scene, text, wording, name, random))
        if chosen:
            better = (seen[chosen] * texts(true)).sum(1) > (seen[chosen] * texts(false)).sum(1)
            figures[name] = float(better.float().mean())
    return figures


def naming(scene: Scene, attribute: str, random: Random) -> int | None:
    """The seed of a wording whose caption can be made wrong in ``attribute`` alone; None if there is none."""
    for _ in range(30):
        wording = random.getrandbits(48)
        if attribute in wrongable(scene, caption(scene, Random(wording))):
            return wording
    return None
