"""From a name to a backbone: the embedded model, a diffusers folder, a hub name, or a single .safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from retouch.backbone.model import Backbone
from retouch.errors import BadModel

EMBEDDED = "diorama"
EMBEDDED_FOLDER = Path(__file__).parent.parent / "diorama" / "weights"
"""Where the embedded model lies inside the package."""


def load(
    name: str = EMBEDDED,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    offline: bool = False,
) -> Backbone:
    """Loads a Stable Diffusion 1.x or 2.x checkpoint.

    Args:
        name: ``"diorama"``, a diffusers folder, a hub name such as ``"owner/model"``, or a ``.safetensors`` file.
        device: default: a GPU if there is one, else the CPU.
        dtype: of the network; default: float16 on a GPU, float32 on the CPU whatever the files hold.
        offline: never ask a hub.

    Raises:
        BadModel: when there is no such model or it is of another kind, in one sentence.
    """
    place = torch.device(device) if device is not None else _best_device()
    precision = dtype or (torch.float32 if place.type == "cpu" else torch.float16)
    if name == EMBEDDED:
        if not (EMBEDDED_FOLDER / "unet").is_dir():
            raise BadModel("the embedded model's weights are missing from this installation: install retouch again.")
        return _from_folder(name, EMBEDDED_FOLDER, place, precision)
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(name, path, place, precision)
    if path.suffix in (".safetensors", ".ckpt", ".pt", ".bin") or path.is_file():
        return _from_file(name, path, place, precision, offline)
    if offline or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise BadModel(
            f"there is no model {name!r}: give 'diorama', the path of a diffusers folder or of a .safetensors file"
            f"{'' if offline else ', or a hub name like owner/model'}."
        )
    return _from_folder(name, _from_hub(name), place, precision)


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    parts = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    patterns = ["model_index.json", *(f"{part}/*.{end}" for part in parts for end in ("json", "txt", "safetensors"))]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except Exception as error:
        raise BadModel(
            f"the model {name!r} could not be fetched ({type(error).__name__}): check the name and the connection, or "
            "give the path of a folder or .safetensors file."
        ) from error


def _from_folder(name: str, folder: Path, device: torch.device, dtype: torch.dtype) -> Backbone:
    missing = [
        part for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler") if not (folder / part).is_dir()
    ]
    if missing:
        raise BadModel(
            f"{name!r} is not a Stable Diffusion folder: it lacks {', '.join(missing)} (expected the layout that "
            "diffusers saves)."
        )
    if (folder / "text_encoder_2").is_dir():
        raise BadModel(
            f"{name!r} has two text encoders (SDXL); retouch edits with Stable Diffusion 1.x and 2.x models."
        )
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    try:
        config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, use_safetensors=True)
        vae = AutoencoderKL.from_pretrained(folder / "vae", use_safetensors=True)
        text_encoder: Any = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, use_safetensors=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    except (OSError, ValueError, KeyError) as error:
        raise BadModel(f"the model {name!r} could not be read: {_first_line(error)}") from error
    return _assembled(name, unet, vae, text_encoder, tokenizer, config, device, dtype)


def _from_file(name: str, path: Path, device: torch.device, dtype: torch.dtype, offline: bool) -> Backbone:
    if not path.is_file():
        raise BadModel(f"there is no file {name!r}: give the path of a .safetensors checkpoint.")
    if path.suffix != ".safetensors":
        raise BadModel(
            f"{name!r} is not a .safetensors file: pickled checkpoints can run code and are never loaded; convert it."
        )
    from diffusers import StableDiffusionPipeline

    try:
        pipeline: Any = StableDiffusionPipeline.from_single_file(
            str(path), torch_dtype=dtype, safety_checker=None, local_files_only=offline
        )
    except Exception as error:
        raise BadModel(
            f"the checkpoint {name!r} could not be read ({_first_line(error)}); the first use of a single file needs "
            "its configuration from the hub: connect once, or give a diffusers folder."
        ) from error
    return _assembled(
        name,
        pipeline.unet,
        pipeline.vae,
        pipeline.text_encoder,
        pipeline.tokenizer,
        pipeline.scheduler.config,
        device,
        dtype,
    )


def _assembled(
    name: str,
    unet: Any,
    vae: Any,
    text_encoder: Any,
    tokenizer: Any,
    config: Any,
    device: torch.device,
    dtype: torch.dtype,
) -> Backbone:
    if unet.config.in_channels != vae.config.latent_channels:
        raise BadModel(
            f"the network of {name!r} takes {unet.config.in_channels} channels but its autoencoder gives "
            f"{vae.config.latent_channels} (an inpainting or depth model?): give a plain text-to-image checkpoint."
        )
    upcast = dtype == torch.float16 and vae.config.force_upcast  # such autoencoders overflow in half precision
    return Backbone(
        name,
        unet=unet.to(device, dtype),
        vae=vae.to(device, torch.float32 if upcast else dtype),
        text_encoder=text_encoder.to(device, dtype),
        tokenizer=tokenizer,
        schedule_config=config,
        device=device,
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
