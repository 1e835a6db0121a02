"""The tokenizer: byte-pair encoding in CLIP's format, trained on the captions; every grammar word is one token."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import LongTensor, Tensor
from transformers import CLIPTokenizer

from retouch.diorama.captions import KNOWN_WORDS, caption
from retouch.diorama.scene import TRAINING_SEEDS_FROM, random_scene
from retouch.diorama.train.loop import Report
from retouch.diorama.train.recipe import read

FILES = ("vocab.json", "merges.txt")
"""The slow tokenizer's files: transformers 5 reads but no longer writes them."""
MAX_LENGTH = 32
_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
COMMON_WORDS = (
    "picture drawing image two three some big small large little very without under over behind near next front "
    "from to is are has that this it his her one happy sad old young new pink brown grey gold silver bright dark "
    "running sleeping lying walking flying eating playing looking holding river mountain sea water sky grass tree "
    "street road room garden day morning evening sun moon star rain cloud man woman child boy girl people person "
    "mouse fish cow sheep bear lion elephant flower bread apple cup table chair book glass glasses coat shirt "
    "shoes crown watercolor digital cartoon summer winter spring autumn light shadow top bottom up down side made "
    "wooden metal stone paper"
).split()
"""Common words outside the grammar, so that what the model does not know still splits into few pieces."""


@dataclass(frozen=True)
class TokenizerRecipe:
    """How many captions are read, and the most merges learned from them."""

    captions: int
    merges: int


def make(recipe: str, folder: Path, report: Report) -> Path:
    """Trains the tokenizer and writes it to ``folder/tokenizer``."""
    settings, done = read(TokenizerRecipe, recipe, "tokenizer"), folder / "tokenizer"
    if done.exists():
        return done
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(_WORDS, behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    scenes = (random_scene(TRAINING_SEEDS_FROM + i) for i in range(settings.captions))
    corpus = [caption(scene, Random(scene.seed)) for scene in scenes] + [*KNOWN_WORDS, *COMMON_WORDS] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + settings.merges,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    tokens = alphabet + [letter + "</w>" for letter in alphabet] + ["".join(pair.split()) for pair in merges]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*tokens, _BEGIN, _END]))}

    part = folder / "tokenizer.part"
    part.mkdir(exist_ok=True)
    (part / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (part / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    CLIPTokenizer(
        str(part / "vocab.json"), str(part / "merges.txt"), model_max_length=MAX_LENGTH, pad_token=_END
    ).save_pretrained(part)
    broken = [word for word in KNOWN_WORDS if len(CLIPTokenizer.from_pretrained(part)(word).input_ids) != 3]
    assert not broken, f"more merges are needed to keep {broken} whole"
    os.replace(part, done)
    report(f"tokenizer: {len(vocabulary)} tokens")
    return done


def load(folder: Path) -> CLIPTokenizer:
    """The trained tokenizer."""
    return CLIPTokenizer.from_pretrained(folder / "tokenizer")


def copy_files(source: Path, target: Path) -> None:
    """Adds the files transformers leaves out when it saves a tokenizer."""
    for name in FILES:
        shutil.copyfile(source / name, target / name)


def tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Token ids [B, 32], padded to the full length."""
    return LongTensor(tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_LENGTH).input_ids)
