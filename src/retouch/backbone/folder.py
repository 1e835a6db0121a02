"""From a folder in diffusers' layout to a backbone: what can be checked is, before weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from retouch.backbone.assemble import assembled, one_line, plan, vae_dtype
from retouch.backbone.configs import ONLY_SD, PLAIN, check_tokenizer, read_config
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
    _check_parts(name, folder)
    configs = {part: read_config(name, folder / file) for part, file in CONFIGS.items()}
    planned = plan(name, settings, configs)
    check_tokenizer(name, folder / "tokenizer")
    recommended = read_recommended(folder)
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


def _check_parts(name: str, folder: Path) -> None:
    if (folder / "text_encoder_2").is_dir():
        raise BadModel(f"{name!r} has two text encoders (SDXL or later); {ONLY_SD}")
    if (folder / "transformer").is_dir():
        raise BadModel(f"the network of {name!r} is a transformer (Stable Diffusion 3, FLUX or later); {ONLY_SD}")
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if not missing:
        return
    files = sorted(file.name for file in folder.glob("*.safetensors"))
    if len(missing) == len(PARTS) and files:
        raise BadModel(f"{name!r} is a folder of files and no diffusers folder: name one of them, as {files[0]}.")
    raise BadModel(
        f"{name!r} is not a Stable Diffusion folder: it lacks {', '.join(missing)} (expected the layout that "
        "diffusers saves)."
    )


def _how(name: str, folder: Path, part: str) -> dict[str, Any]:
    """How the libraries are to read a part, whose files are there and whole as far as their headers tell."""
    plain, half = (folder / WEIGHTS[part].format(kind) for kind in ("", HALF))
    chosen = half if half.exists() and not plain.exists() else plain
    shards = sorted(chosen.parent.glob(f"{chosen.stem}-*.safetensors"))
    if not chosen.exists() and not shards:
        pickled = any(chosen.parent.glob("*.bin"))
        why = "pickled weights can run code and are never loaded: convert them" if pickled else "fetch the model again"
        raise BadModel(f"{name!r} has no {part}/{plain.name}; {why}, or {PLAIN}")
    for file in [chosen] if chosen.exists() else shards:
        read_header(f"{part}/{file.name} of {name!r}", file)
    return {
        "variant": "fp16" if chosen == half else None, "use_safetensors": True, "output_loading_info": True,
        "local_files_only": True,
    }  # fmt: skip


def _whole(loaded: Any) -> Any:
    """The model of (model, loading info), when its files held every weight: the libraries would make up the rest."""
    model, info = loaded
    if info["missing_keys"]:
        example = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} weights are missing from its files, among them {example!r}.")
    return model
