"""T5: a tokenizer with a piece for every word of the captions, and an encoder that knows what a caption claims."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from retouch.diorama.captions import KNOWN_WORDS, caption
from retouch.diorama.scene import TRAINING_SEEDS_FROM, Scene, random_scene
from retouch.diorama.train import pool
from retouch.diorama.train.labels import VALUES, claims
from retouch.diorama.train.loop import Loop, Report, Steps, device, generator, replaced
from retouch.diorama.train.recipe import read
from retouch.diorama.train.tokenizer import COMMON_WORDS

MAX_LENGTH = 77
"""To which DeepFloyd IF pads every prompt."""
_WORD, _LETTER = -5.0, -12.0


@dataclass(frozen=True, kw_only=True)
class T5Recipe(Steps):
    """The encoder's size and training.

    It learns to name every attribute that a caption claims, or that the caption is silent about it, from the mean of
    its states; the readout is thrown away. The U-Nets are trained on the finished encoder, which stays as it is.
    """

    width: int
    layers: int
    heads: int
    feed_forward: int
    batch: int
    held_out: int = 512


def make_tokenizer(folder: Path, report: Report) -> Path:
    """Writes ``folder/pieces``: every known word is one piece, all others are spelt."""
    done, part = folder / "pieces", folder / "pieces.part"
    if done.exists():
        return done
    words = [f"\u2581{word}" for word in dict.fromkeys((*KNOWN_WORDS, *COMMON_WORDS))]
    letters = ["\u2581", *string.ascii_lowercase, *string.digits, *string.punctuation]
    pieces = [(special, 0.0) for special in ("<pad>", "</s>", "<unk>")]
    pieces += [(word, _WORD) for word in words if len(word) > 2]
    pieces += [(letter, _LETTER) for letter in letters] + [("\u2581a", _WORD)]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=MAX_LENGTH)
    tokenizer.save_pretrained(part)
    os.replace(part, done)
    report(f"pieces: {len(pieces)} tokens")
    return done


def load_tokenizer(folder: Path) -> Any:
    """The finished tokenizer."""
    return T5Tokenizer.from_pretrained(folder / "pieces")


def load_encoder(folder: Path, where: torch.device) -> Any:
    """The finished encoder, frozen."""
    encoder: Any = T5EncoderModel.from_pretrained(folder / "t5")
    return encoder.to(where).eval().requires_grad_(False)


def embeddings(encoder: Any, tokenizer: Any, texts: list[str]) -> Tensor:
    """What the U-Nets are told: the states [B, 77, width] of the padded captions, the padding's as well."""
    read_ = tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    read_ = read_.to(encoder.device)
    states: Tensor = encoder(read_.input_ids, attention_mask=read_.attention_mask).last_hidden_state
    return states


class Readout(nn.Module):
    """The encoder with the training's linear readout of the attributes, one class more for silence."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.sizes = [len(values) + 1 for values in VALUES.values()]
        self.heads = nn.Linear(encoder.config.d_model, sum(self.sizes))

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Logits per attribute, [B, values + 1] each."""
        states = self.encoder(ids, attention_mask=mask).last_hidden_state
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return tuple(self.heads(mean).split(self.sizes, dim=1))


def train(recipe: str, folder: Path, steps: int | None, report: Report) -> Path:
    """Trains the encoder into ``folder/t5``."""
    settings, where, tokenizer = read(T5Recipe, recipe, "t5", steps), device(), load_tokenizer(folder)
    torch.manual_seed(settings.seed)
    model = Readout(T5EncoderModel(_config(settings, len(tokenizer)))).to(where).train()

    def batch(texts: list[str]) -> tuple[tuple[Tensor, ...], Tensor]:
        read_ = tokenizer(texts, padding=True, return_tensors="pt").to(where)
        said = torch.tensor([claims(text) for text in texts], device=where)
        last = torch.tensor(model.sizes, device=where) - 1
        return model(read_.input_ids, read_.attention_mask), torch.where(said < 0, last, said)

    @torch.no_grad()
    def measure() -> dict[str, float]:
        wording = Random(settings.seed)
        scenes = [random_scene(pool.HELD_OUT_FROM + i) for i in range(settings.held_out)]
        logits, said = batch([caption(scene, wording) for scene in scenes])
        right = torch.stack([part.argmax(1) == said[:, i] for i, part in enumerate(logits)])
        return {"claims": float(right.float().mean()), "captions": float(right.all(0).float().mean())}

    loop = Loop(model, settings, folder / "t5.checkpoint.safetensors", report, measure)
    for step in loop:
        random, wording = generator(where, settings.seed, step), Random(settings.seed * 2**32 + step)
        seeds = torch.randint(0, 2**31, (settings.batch,), generator=random, device=where).tolist()
        logits, said = batch([captioned(random_scene(TRAINING_SEEDS_FROM + seed), wording) for seed in seeds])
        loop.learn(torch.stack([F.cross_entropy(part, said[:, i]) for i, part in enumerate(logits)]).mean())

    with loop.averaged():
        model.encoder.save_pretrained(folder / "t5.part")
    return replaced(folder / "t5", by=folder / "t5.part")


def captioned(scene: Scene, wording: Random, empty: float = 0.0) -> str:
    """A training caption: none with probability ``empty``, else the full one or a varied one, as often."""
    if wording.random() < empty:
        return ""
    return caption(scene, None if wording.random() < 0.4 else wording)


def _config(settings: T5Recipe, vocabulary: int) -> T5Config:
    return T5Config(
        vocab_size=vocabulary,
        d_model=settings.width,
        d_kv=settings.width // settings.heads,
        num_heads=settings.heads,
        d_ff=settings.feed_forward,
        num_layers=settings.layers,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        relative_attention_max_distance=32,
        relative_attention_num_buckets=16,
        is_encoder_decoder=False,
        use_cache=False,
        tie_word_embeddings=False,
    )
