"""Another autoencoder in the place of a checkpoint's own: a diffusers folder, a hub name, or a single file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from retouch.backbone.additions import read_addition
from retouch.backbone.assemble import one_line, vae_dtype
from retouch.backbone.configs import check_network_and_parts, doublings, loaded_config, read_config
from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.formats import is_file_name
from retouch.backbone.headers import read_header
from retouch.backbone.hub import helper_copy
from retouch.backbone.quiet import quietly
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

_CONFIG, _STEM = "config.json", "diffusion_pytorch_model"
_INSIDE = "first_stage_model."
"""Before the names of an autoencoder's tensors in a whole checkpoint."""


def found_autoencoder(name: str) -> Path:
    """Where an autoencoder lies: a file, or the folder of its config.

    Raises:
        BadModel: when there is none of that name, or its header cannot be read.
    """
    path = Path(name).expanduser()
    if is_file_name(path) or os.path.isfile(path):
        header = read_addition("autoencoder", path)
        if not header.has("encoder.", f"{_INSIDE}encoder."):
            raise BadModel(f"{name!r} holds no autoencoder: give one of Stable Diffusion's kind.")
        return path
    if not os.path.isdir(path):
        if name.count("/") != 1 or name.startswith((".", "/", "~")):
            raise BadModel(f"there is no autoencoder {name!r}: give a folder, a .safetensors file or a hub name.")
        path = _fetched(name)
    folder = path if (path / _CONFIG).is_file() else path / "vae"
    weights = _weights(folder)
    for file in (_CONFIG, weights):
        if not (folder / file).is_file():
            raise BadModel(f"the autoencoder {name!r} lacks its {file}: give a folder that diffusers saved.")
    read_header(f"{weights} of {name!r}", folder / weights)
    return folder


def put_autoencoder(model: UNetBackbone, name: str, path: Path) -> dict[str, Any]:
    """Takes it in the place of the model's own, and says which it is, JSON-ready.

    Args:
        name: as the user gave it.
        path: what :func:`found_autoencoder` found by it.

    Raises:
        BadModel: when it does not go with the network, or cannot be read.
    """
    own = loaded_config(model.vae)
    config = own if path.is_file() else read_config(name, path / _CONFIG)
    parts = {part: loaded_config(module) for part, module in model.modules.items()}
    check_network_and_parts(name, model.family, {**parts, "vae": config})
    for key, what in (("scaling_factor", "scales its latents by"), ("shift_factor", "shifts its latents by")):
        if (config.get(key) or 0) != (own.get(key) or 0) and key in config:
            raise BadModel(
                f"the autoencoder {name!r} {what} {config[key]}, that of {model.name!r} by {own.get(key)}: it is for "
                "another family of models."
            )
    if doublings("vae", config) != doublings("vae", own):
        raise BadModel(
            f"the autoencoder {name!r} makes pictures {2 ** doublings('vae', config)} times smaller, that of "
            f"{model.name!r} {2 ** doublings('vae', own)} times: it is for another family of models."
        )
    try:
        with quietly():
            vae = _loaded(path, own if path.is_file() else None)
    except Exception as error:  # two libraries and a file format, each with errors of its own
        raise BadModel(f"the autoencoder {name!r} could not be read: {one_line(error)}") from error
    shown = Path(name).name if Path(name).expanduser().exists() else name  # a hub name as it is
    told = {"name": shown, "fingerprint": fingerprint({"vae": vae.state_dict()})}
    model.vae = vae.to(model.device, vae_dtype(model.dtype, vae.config)).eval().requires_grad_(False)
    return told


def _loaded(path: Path, config: dict[str, Any] | None) -> Any:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from safetensors.torch import load_file

    if config is None:
        variant = "fp16" if _weights(path).endswith(".fp16.safetensors") else None
        vae, info = AutoencoderKL.from_pretrained(
            path, variant=variant, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        if info["missing_keys"]:
            raise ValueError(f"{len(info['missing_keys'])} of its weights are missing.")
        return vae
    vae, tensors = AutoencoderKL.from_config(config), load_file(path)
    if not any(key.startswith(("encoder.down_blocks.", f"{_INSIDE}encoder.down_blocks.")) for key in tensors):
        tensors = convert_ldm_vae_checkpoint(tensors, vae.config)
    wanted = vae.state_dict()
    named = {key.removeprefix(_INSIDE): value for key, value in tensors.items()}
    odd = [key for key, value in wanted.items() if key not in named or named[key].shape != value.shape]
    if odd:
        raise ValueError(f"its {odd[0]!r} is missing or of another shape than the model's.")
    vae.load_state_dict({key: named[key].float() for key in wanted})
    return vae


def _weights(folder: Path) -> str:
    half = f"{_STEM}.fp16.safetensors"
    plain = f"{_STEM}.safetensors"
    return half if (folder / half).is_file() and not (folder / plain).is_file() else plain


def _fetched(name: str) -> Path:
    try:
        return helper_copy(name, tokenizer=False, stem=_STEM)
    except Exception as error:  # whatever the hub or the network raises, the remedy is the same
        raise BadModel(
            f"the autoencoder {name!r} could not be fetched ({type(error).__name__}): give a folder or a file."
        ) from error
