"""What is put on top of a checkpoint: LoRAs, another autoencoder, textual inversions, and how its texts are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from retouch.backbone.additions import named_files, read_weight
from retouch.backbone.autoencoder import found_autoencoder, put_autoencoder
from retouch.backbone.embeddings import EmbeddingFile, put_embedding, read_embedding
from retouch.backbone.lora import LoraFile, put_lora, read_lora
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadParameter


@dataclass(frozen=True)
class OnTop:
    """What a user wants on top, its files judged by their headers."""

    loras: tuple[LoraFile, ...] = ()
    vae: tuple[str, Path] | None = None
    embeddings: tuple[EmbeddingFile, ...] = ()
    clip_skip: int = 0
    long_prompts: bool = False

    def __bool__(self) -> bool:
        return self != OnTop()


def read_on_top(lora: Any, vae: Any, embedding: Any, clip_skip: Any, long_prompts: Any) -> OnTop:
    """What the arguments of :func:`retouch.backbone.load.load` by these names ask for; None and nothing are the same.

    Raises:
        BadModel: when a file is not there, damaged or of another kind.
        BadParameter: for a value that it cannot have.
    """
    skip, long = clip_skip or 0, long_prompts or False
    if vae is not None and (not isinstance(vae, str | PathLike) or not fspath(vae)):
        raise BadParameter(f"vae is {vae!r}, expected a folder, a .safetensors file or a hub name.")
    check_reading(skip, long)
    return OnTop(
        tuple(read_lora(path, read_weight(said, "lora")) for path, said in named_files(lora, "lora")),
        None if vae is None else (fspath(vae), found_autoencoder(fspath(vae))),
        tuple(read_embedding(path, word) for path, word in named_files(embedding, "embedding")),
        skip, long,
    )  # fmt: skip


def check_reading(clip_skip: Any, long_prompts: Any) -> None:
    """Refuses what does not say how texts are read.

    Raises:
        BadParameter: naming the argument.
    """
    if not isinstance(clip_skip, int) or isinstance(clip_skip, bool) or clip_skip < 0:
        raise BadParameter(f"clip_skip is {clip_skip!r}, expected a whole number of layers from 0.")
    if not isinstance(long_prompts, bool):
        raise BadParameter(f"long_prompts is {long_prompts!r}, expected yes or no.")


def read_texts(model: UNetBackbone, clip_skip: int, long_prompts: bool) -> None:
    """From here on the model's texts are read so.

    Raises:
        BadParameter: when its text encoders have fewer layers than are to be left out.
    """
    if clip_skip and not model.family.latent:
        raise BadParameter(f"clip_skip is {clip_skip}, but {model.name!r} reads its texts by T5: leave it out.")
    layers = min(getattr(model, part).config.num_hidden_layers for part in model.family.encoders)
    if clip_skip >= layers:
        raise BadParameter(
            f"clip_skip is {clip_skip}, expected a whole number in 0..{layers - 1}: the text encoder of "
            f"{model.name!r} has {layers} layers."
        )
    model.clip_skip, model.long_prompts = clip_skip, long_prompts


def put_on_top(model: UNetBackbone, asked: OnTop) -> None:
    """Changes the model so; its fingerprint stays the checkpoint's, and ``read_as`` says what came on top.

    Raises:
        BadModel: when a file is for another family.
        BadParameter: when the model knows a word already, or has fewer layers than are to be left out.
    """
    if not asked:
        return
    if not model.family.latent:
        there = [name for name in ("loras", "vae", "embeddings", "clip_skip") if getattr(asked, name)]
        for name in there:
            raise BadParameter(
                f"{model.name!r} is a cascade of pixel models, on which no {name.removesuffix('s')} can be put yet: "
                "leave it out."
            )
    read_texts(model, asked.clip_skip, asked.long_prompts)
    model.fingerprint = model.fingerprint  # looked at before anything is changed
    above: dict[str, Any] = {
        "lora": [told for file in asked.loras if (told := put_lora(model, file))],
        "vae": [] if asked.vae is None or not (one := put_autoencoder(model, *asked.vae)) else [one],
        "embedding": [put_embedding(model, file) for file in asked.embeddings],
        "clip_skip": asked.clip_skip,
        "long_prompts": asked.long_prompts,
    }
    model.read_as = replace(model.read_as, on_top={name: value for name, value in above.items() if value})
