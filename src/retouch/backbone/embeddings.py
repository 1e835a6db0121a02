"""A textual inversion (Gal et al. 2023) put into a model: a word, and vectors beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retouch.backbone.additions import read_addition
from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.quiet import quietly
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter

_WEB_UI = "emb_params"
_OF_SDXL = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
_WIDTHS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 1280: "SDXL"}


@dataclass(frozen=True)
class EmbeddingFile:
    """A file that was checked as far as it can be without the model.

    Attributes:
        word: by which prompts name it.
        keys: of its vectors, by text encoder; one for a model with one.
    """

    path: Path
    word: str
    keys: Mapping[str, str]


def read_embedding(path: Path, word: str | None) -> EmbeddingFile:
    """Judges a file by its header: diffusers' (a tensor called by its word), or the web UI's.

    Args:
        word: in place of the file's own: the tensor's name in diffusers' files, else the file's name.

    Raises:
        BadModel: when it is no textual inversion in safetensors, or is cut off.
        BadParameter: for a word that is none.
    """
    shapes = read_addition("textual inversion", path).shapes
    vectors = {key for key, shape in shapes.items() if len(shape) in (1, 2) and 0 not in shape}
    if set(_OF_SDXL.values()) <= vectors:
        keys, own = _OF_SDXL, path.stem
    elif _WEB_UI in vectors:
        keys, own = {"text_encoder": _WEB_UI}, path.stem
    elif len(shapes) == 1 and vectors:
        (own,) = vectors
        keys = {"text_encoder": own}
    else:
        raise BadModel(f"{str(path)!r} holds no textual inversion, vectors for one word: give another file.")
    word = own if word is None else word
    if word.split() != [word]:
        raise BadParameter(
            f"the textual inversion {str(path)!r} is to be called {word!r}, expected one word without spaces: say it "
            f"behind the file, as in {path.name}:<cat>."
        )
    return EmbeddingFile(path, word, keys)


def put_embedding(model: UNetBackbone, file: EmbeddingFile) -> dict[str, Any]:
    """Teaches the model the word, and says which it is, JSON-ready. Its vectors are <cat>, <cat>_1, <cat>_2, …

    Raises:
        BadModel: when the vectors are for another family.
        BadParameter: when the model knows the word already.
    """
    from safetensors.torch import load_file

    tensors = load_file(file.path)
    name = f"the textual inversion {str(file.path)!r}"
    encoders = model.family.encoders
    if len(file.keys) != len(encoders):
        other = "SDXL" if len(file.keys) > 1 else "a family with one text encoder (Stable Diffusion 1.x or 2.x)"
        raise BadModel(f"{name} is for {other}, not for {model.family.name}: give one for the model's family.")
    for encoder, tokenizer in zip(encoders, model.family.tokenizers, strict=True):
        vectors = tensors[file.keys[encoder]].float()
        vectors = vectors[None] if vectors.ndim == 1 else vectors
        width = int(getattr(model, encoder).config.hidden_size)
        if vectors.shape[1] != width:
            of = _WIDTHS.get(vectors.shape[1], "another family of models")
            raise BadModel(
                f"{name} is for {of}: its vectors are {vectors.shape[1]} wide, those of {model.name!r} {width}: give "
                "one for the model's family."
            )
        room = model.max_tokens - 2
        if len(vectors) > room and not model.long_prompts:
            raise BadModel(
                f"{name} has {len(vectors)} vectors, and a prompt of {model.name!r} has room for {room}: give one of "
                "fewer vectors, or read long prompts (--long-prompts, long_prompts=True)."
            )
        if not torch.isfinite(vectors).all():
            raise BadModel(f"{name} holds values that are no numbers: fetch it again.")
        _teach(getattr(model, encoder), getattr(model, tokenizer), file.word, vectors, name)
    return {"name": file.path.name, "word": file.word, "fingerprint": fingerprint({"embedding": tensors})}


def _teach(encoder: Any, tokenizer: Any, word: str, vectors: Tensor, name: str) -> None:
    words = [word, *(f"{word}_{number}" for number in range(1, len(vectors)))]
    known = tokenizer.get_vocab()
    taken = next((one for one in words if one in known), None)
    if taken is not None:
        raise BadParameter(
            f"the word {taken!r} of {name} is one that the model knows already: call it otherwise, as in "
            "--embedding cat.safetensors:<my-cat>."
        )
    tokenizer.add_tokens(words)
    rows = tokenizer.convert_tokens_to_ids(words)
    own = encoder.get_input_embeddings().weight
    with quietly():
        encoder.resize_token_embeddings(max(len(tokenizer), len(own)), mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    with torch.no_grad():
        weight[rows] = vectors.to(weight)
    encoder.eval().requires_grad_(False)
