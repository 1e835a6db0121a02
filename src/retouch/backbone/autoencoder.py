"""Another autoencoder in the place of a checkpoint's own: a diffusers folder, a hub name, or a single file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from retouch.backbone.additions import read_addition
from retouch.backbone.assemble import vae_dtype
from retouch.backbone.configs import check_autoencoder, doublings, loaded_config, read_config, usual
from retouch.backbone.filled import Subject, blank, fill, read_weights
from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.formats import is_file_name
from retouch.backbone.headers import read_header
from retouch.backbone.hub import helper_copy
from retouch.backbone.quiet import quietly
from retouch.backbone.shapes import vae_sizes
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, RetouchError

_CONFIG, _STEM = "config.json", "diffusion_pytorch_model"
_OF_LATENTS = ("latent_channels", "scaling_factor", "shift_factor")
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


def put_autoencoder(model: UNetBackbone, name: str, path: Path) -> dict[str, Any] | None:
    """Takes it in the place of the model's own, and says which it is, JSON-ready; None where that is the same.

    Args:
        name: as the user gave it.
        path: what :func:`found_autoencoder` found by it.

    Raises:
        BadModel: when it does not go with the network, or cannot be read.
    """
    own = loaded_config(model.vae)
    file = "" if path.is_file() else f"{'vae/' * (path.name == 'vae')}{_CONFIG}"
    of = Subject(name, "vae", file, f"the autoencoder {name!r}", f"that of {model.name!r}")
    config = read_config(name, path / _CONFIG) if file else own
    check_autoencoder(str(of), name, file, config)
    _check_alike(of, config, model, own)
    try:
        with quietly():
            vae = _loaded(of, path, config)
    except RetouchError:
        raise
    except Exception as error:  # two libraries and a file format, each with errors of its own
        why = f"it lacks {error}" if isinstance(error, KeyError) else f"its weights are odd ({type(error).__name__})"
        raise BadModel(f"{of} could not be read: {why}; fetch it again.") from error
    shown = Path(name).name if Path(name).expanduser().exists() else name  # a hub name as it is
    told = {"name": shown, "fingerprint": fingerprint({"vae": vae.state_dict()})}
    same = told["fingerprint"] == fingerprint({"vae": model.vae.state_dict()})
    with quietly():
        model.vae = vae.to(model.device, vae_dtype(model.dtype, vae.config)).eval().requires_grad_(False)
    return None if same else told


def _check_alike(of: Subject, config: Mapping[str, Any], model: UNetBackbone, own: Mapping[str, Any]) -> None:
    """Refuses an autoencoder whose latents are not those of the model's own.

    Raises:
        BadModel: saying in what they differ.
    """
    theirs, ours = usual("vae", config), usual("vae", own)
    told = {f"its {key} is": tuple(one.get(key) or 0 for one in (theirs, ours)) for key in _OF_LATENTS}
    told["it makes pictures smaller by"] = tuple(2 ** doublings("vae", one) for one in (theirs, ours))
    for what, (one, other) in told.items():
        if one != other:
            raise BadModel(
                f"{of} is for another family of models ({what} {one}, in {model.name!r} {other}): give one of the "
                "model's own family."
            )


def _loaded(of: Subject, path: Path, config: dict[str, Any]) -> Any:
    vae = blank(of, config)
    fill(of, vae, autoencoder_weights(path, config))
    return vae.float()


def autoencoder_weights(path: Path, config: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of what :func:`found_autoencoder` found, under diffusers' names.

    Args:
        config: the autoencoder's.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    weights = read_weights([path if path.is_file() else path / _weights(path)])
    if any(key.startswith(_INSIDE) for key in weights):  # of a whole checkpoint
        weights = {key.removeprefix(_INSIDE): value for key, value in weights.items() if key.startswith(_INSIDE)}
    if not any(key.startswith("encoder.down_blocks.") for key in weights):
        weights = convert_ldm_vae_checkpoint(weights, config)
    return weights


def autoencoder_config(name: str, path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of what :func:`found_autoencoder` found.

    Args:
        known: that of its class, for a file that says nothing but its sizes.
    """
    if not path.is_file():
        return read_config(name, path / _CONFIG)
    shapes = read_header(f"the autoencoder {name!r}", path).shapes
    return {**known, **vae_sizes({key.removeprefix(_INSIDE): shape for key, shape in shapes.items()})}


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
