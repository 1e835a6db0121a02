"""From a folder in diffusers' layout to a backbone: what can be checked is, before weights are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

import torch

from retouch.backbone.assemble import Plan, assembled, one_line, plan, vae_dtype
from retouch.backbone.configs import ONLY_SD, PLAIN, check_tokenizer, read_config
from retouch.backbone.formats import CONVERT, PICKLED, is_file_name, rank
from retouch.backbone.headers import read_header
from retouch.backbone.quiet import quietly
from retouch.backbone.recommended import read_recommended
from retouch.backbone.settings import ModelSettings
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = {
    "unet": "unet/diffusion_pytorch_model{}.safetensors",
    "vae": "vae/diffusion_pytorch_model{}.safetensors",
    "text_encoder": "text_encoder/model{}.safetensors",
}
HALF = ".fp16"
CONFIGS = {
    "scheduler": "scheduler/scheduler_config.json",
    "unet": "unet/config.json",
    "vae": "vae/config.json",
    "text_encoder": "text_encoder/config.json",
}


def from_folder(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype, settings: ModelSettings
) -> UNetBackbone:
    """Loads a folder.

    Raises:
        BadModel: when it holds no Stable Diffusion 1.x or 2.x model, or a damaged one.
        BadParameter: when the settings do not go with it.
    """
    planned, configs = judged(name, folder, settings)
    recommended = read_recommended(folder)
    check_weights(name, [path.relative_to(folder).as_posix() for part in WEIGHTS for path in (folder / part).iterdir()])
    how = {part: _how(name, folder, part) for part in WEIGHTS}
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    try:
        with quietly():
            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
            unet = _whole(UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, **how["unet"]))
            precision = vae_dtype(dtype, configs["vae"])
            vae = _whole(AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=precision, **how["vae"]))
            text_encoder = _whole(
                CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, **how["text_encoder"])
            )
    except Exception as error:  # three libraries and a file format, each with errors of its own
        raise BadModel(f"the model {name!r} could not be read: {one_line(error)}") from error
    return assembled(planned, device, recommended, unet=unet, vae=vae, text_encoder=text_encoder, tokenizer=tokenizer)


def judged(name: str, folder: Path, settings: ModelSettings) -> tuple[Plan, dict[str, dict[str, Any]]]:
    """What a folder's small files say: the plan, and the configurations by part. No weights are looked at.

    Raises:
        BadModel, BadParameter: as :func:`from_folder`.
    """
    inside = list(folder.iterdir())
    check_parts(name, {path.name for path in inside if path.is_dir()}, [path.name for path in inside])
    configs = {part: read_config(name, folder / file) for part, file in CONFIGS.items()}
    planned = plan(name, settings, configs)
    check_tokenizer(name, folder / "tokenizer")
    return planned, configs


def check_parts(name: str, parts: Set[str], files: Iterable[str]) -> None:
    """Refuses a model by what it is made of.

    Args:
        parts: names of its folders.
        files: names of what lies beside them.

    Raises:
        BadModel: when it is of another kind, or a part is missing.
    """
    if "text_encoder_2" in parts:
        raise BadModel(f"{name!r} has two text encoders (SDXL or later); {ONLY_SD}")
    if "transformer" in parts:
        raise BadModel(f"the network of {name!r} is a transformer (Stable Diffusion 3, FLUX or later); {ONLY_SD}")
    missing = [part for part in PARTS if part not in parts]
    if not missing:
        return
    single = sorted((file for file in files if is_file_name(Path(file))), key=lambda file: (rank(Path(file)), file))
    if len(missing) == len(PARTS) and single:
        raise BadModel(
            f"{name!r} holds single files and no diffusers folder: give the path of one that is a .safetensors "
            f"checkpoint, here {single[0]}."
        )
    raise BadModel(
        f"{name!r} is not a Stable Diffusion folder: it lacks {', '.join(missing)} (expected the layout that "
        "diffusers saves)."
    )


def check_weights(name: str, files: Iterable[str]) -> None:
    """Refuses a model a part of which has no weights in a safetensors file.

    Args:
        files: of the whole folder, as ``unet/config.json``.

    Raises:
        BadModel: naming the part, and whether there are pickled weights.
    """
    there = set(files)
    for part, weights in WEIGHTS.items():
        if not weight_files(part, there):
            pickled = any(file.startswith(f"{part}/") and file.endswith(PICKLED) for file in there)
            plain = weights.format("")
            raise BadModel(
                f"{name!r} has {'pickled weights only' if pickled else 'no weights'} for its {part}, expected {plain}: "
                + (CONVERT if pickled else f"fetch the model again, or {PLAIN}")
            )


def weight_files(part: str, files: Iterable[str]) -> list[str]:
    """Those of a model's files that hold a part's weights: whole or in shards, in half precision where that is all."""
    plain, half = (WEIGHTS[part].format(kind).removesuffix(".safetensors") for kind in ("", HALF))
    for stem in (plain, half):
        found = [file for file in files if re.fullmatch(re.escape(stem) + r"(-\d+-of-\d+)?\.safetensors", file)]
        whole = [file for file in found if file == f"{stem}.safetensors"]
        if found:
            return whole or sorted(found)
    return []


def _how(name: str, folder: Path, part: str) -> dict[str, Any]:
    """How the libraries are to read a part, whose files are there and whole as far as their headers tell."""
    chosen = weight_files(part, [path.relative_to(folder).as_posix() for path in (folder / part).iterdir()])
    for file in chosen:
        read_header(f"{file} of {name!r}", folder / file)
    return {
        "variant": "fp16" if chosen[0].startswith(WEIGHTS[part].format(HALF).removesuffix(".safetensors")) else None,
        "use_safetensors": True, "output_loading_info": True, "local_files_only": True,
    }  # fmt: skip


def _whole(loaded: Any) -> Any:
    """The model of (model, loading info), when its files held every weight: the libraries would make up the rest."""
    model, info = loaded
    if info["missing_keys"]:
        example = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} weights are missing from its files, among them {example!r}.")
    return model
