"""The weights of a single file under the names of diffusers and transformers: by diffusers' own conversions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retouch.backbone.autoencoder import autoencoder_weights
from retouch.backbone.filled import Subject, blank, check_left, fill
from retouch.backbone.headers import Header
from retouch.backbone.shapes import AVERAGED, CLIP, UNET, VAE


def averaged(header: Header) -> bool:
    """Whether a file holds the network twice: as it was trained, and averaged over training (EMA)."""
    return all(_average_of(name) in header.shapes for name in header.shapes if name.startswith(UNET))


def _average_of(name: str) -> str:
    """Where the average of a tensor of the network lies: the trainer's names have no dots."""
    return AVERAGED + name.removeprefix("model.").replace(".", "")


def converted(
    name: str, path: Path, header: Header, kind: str, configs: Mapping[str, Mapping[str, Any]],
    dtypes: Mapping[str, torch.dtype], vae: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The parts that hold weights, by name. Where a network is there twice it is the averaged one.

    Args:
        name: the file's, as the user gave it.
        header: with the names of today, see :func:`retouch.backbone.kinds.todays_names`.
        configs: what they are to be, by part.
        dtypes: their precisions, by part.
        vae: where the autoencoder lies, if not in the file.

    Raises:
        BadModel: when weights are missing, left over or of another size.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    read = _reader(path, header)
    given = {"unet": read(UNET, averaged(header)), "vae": read(VAE, False)}
    weights = {"unet": convert_ldm_unet_checkpoint(dict(given["unet"]), dict(configs["unet"]))}
    guided = f"{UNET}time_embed.cond_proj.weight"
    if guided in header.shapes:
        weights["unet"]["time_embedding.cond_proj.weight"] = given["unet"][guided]
    if vae is None:
        weights["vae"] = convert_ldm_vae_checkpoint(dict(given["vae"]), dict(configs["vae"]))
    else:
        weights["vae"] = autoencoder_weights(vae, dict(configs["vae"]))
    parts = {part: blank(Subject(name, part), configs[part]) for part in ("unet", "vae", *CLIP[kind])}
    for part, prefix in CLIP[kind].items():
        weights[part] = _text_weights(parts[part], prefix, read(prefix, False))
    for part, module in parts.items():
        fill(Subject(name, part), module, weights[part], _left_out(configs[part]) if kind == "sd2" else ())
    for part, tensors in given.items():
        check_left(Subject(name, part), _unconverted(tensors, weights[part]))
    return {part: module.to(dtypes[part]).eval() for part, module in parts.items()}


def _unconverted(given: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """The names that a conversion did not know, and left out without a word: what it knows lies where it lay."""
    places = {value.data_ptr() for value in found.values()}
    return [name for name, value in given.items() if value.numel() and value.data_ptr() not in places]


def _text_weights(model: Any, prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_open_clip_checkpoint

    if f"{prefix}token_embedding.weight" in weights:
        found: dict[str, Tensor] = convert_open_clip_checkpoint(model, weights, prefix=prefix)
    else:
        found = convert_ldm_clip_checkpoint(weights)
    return found


def _left_out(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The layer that is not run, where texts are read from the last but one."""
    layer = config.get("num_hidden_layers")
    return f"encoder.layers.{layer}.", f"text_model.encoder.layers.{layer}."


def _reader(path: Path, header: Header) -> Callable[[str, bool], dict[str, Tensor]]:
    """Reads the tensors whose names begin with a prefix, from their averages or as they are."""
    from safetensors import safe_open

    def read(prefix: str, average: bool) -> dict[str, Tensor]:
        with safe_open(path, "pt") as file:
            names = [name for name in header.shapes if name.startswith(prefix)]
            return {
                name: file.get_tensor(_average_of(name) if average else header.written.get(name, name))
                for name in names
            }

    return read
