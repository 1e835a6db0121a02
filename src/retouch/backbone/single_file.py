"""From a single .safetensors file in the original layout to a backbone; its header is judged before the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from retouch.backbone.assemble import assembled, one_line, plan, vae_dtype
from retouch.backbone.configs import PLAIN, check_tokenizer, read_config
from retouch.backbone.folder import CONFIGS
from retouch.backbone.formats import check_format
from retouch.backbone.headers import Header, read_header
from retouch.backbone.hub import class_folder
from retouch.backbone.kinds import UNET, check_kind
from retouch.backbone.quiet import quietly
from retouch.backbone.schedule import prediction_type
from retouch.backbone.settings import ModelSettings
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

_BLOCK = f"{UNET}output_blocks.11.1.transformer_blocks.0"


def from_file(
    name: str, path: Path, device: torch.device, dtype: torch.dtype, settings: ModelSettings, offline: bool
) -> UNetBackbone:
    """Loads a file; the configuration of its class comes from a hub, or from what was fetched before.

    Raises:
        BadModel: when it holds no whole Stable Diffusion 1.x or 2.x checkpoint.
        BadParameter: when the settings do not go with it.
    """
    check_format(name, path)
    header = read_header(f"the checkpoint {name!r}", path)
    check_kind(name, header)
    folder = class_folder(name, _model_class(header), offline)
    configs = {part: read_config(name, folder / file) for part, file in CONFIGS.items()}
    base = predicts_noise(path, header)
    if base:
        configs["unet"] = {**configs["unet"], "sample_size": 64}
    own = marked(name, header, base)
    configs["scheduler"] = own.applied(configs["scheduler"])
    if "ztsnr" in header.shapes and (settings.prediction or prediction_type(configs["scheduler"])) == "v_prediction":
        configs["scheduler"] = ModelSettings(zero_snr=True).applied(configs["scheduler"])
    planned = plan(name, settings, configs)
    check_tokenizer(name, folder / "tokenizer")
    try:
        with quietly():
            pipeline = _pipeline(path, folder, dtype)
            vae = pipeline.vae.to(vae_dtype(dtype, pipeline.vae.config))
    except Exception as error:
        raise BadModel(f"the checkpoint {name!r} could not be read: {one_line(error)}") from error
    return assembled(
        planned, device, unet=pipeline.unet, vae=vae, text_encoder=pipeline.text_encoder, tokenizer=pipeline.tokenizer
    )


def marked(name: str, header: Header, base: bool) -> ModelSettings:
    """What a file says of itself: by the keys that trainers put in (``v_pred``), by its metadata (the ModelSpec
    standard), or, of SD 2.x, by a rule of thumb.

    Raises:
        BadModel: when it says that its network predicts something else.
    """
    said = header.metadata.get("modelspec.prediction_type", "").lower()
    if "v_pred" in header.shapes or said in ("v", "v_prediction"):
        return ModelSettings(prediction="v_prediction")
    if said not in ("", "epsilon", "eps"):
        raise BadModel(
            f"the network of {name!r} predicts {said!r} by its own word (modelspec.prediction_type): {PLAIN}"
        )
    return ModelSettings(prediction="epsilon" if base or said else None)


def predicts_noise(path: Path, header: Header) -> bool:
    """Whether a single file is an SD 2.x "base" model: noise prediction, 512 pixels.

    The file does not say, and its class's configuration is the 768-pixel model's, which predicts v. The spread of
    this bias tells them apart, a rule of thumb that other programs use too: above 0.09 the model predicts v.
    """
    context = header.shapes.get(f"{_BLOCK}.attn2.to_k.weight", (0,))
    if f"{_BLOCK}.norm1.bias" not in header.shapes or context[-1] != 1024:
        return False
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return float(file.get_tensor(f"{_BLOCK}.norm1.bias").float().std(correction=0)) <= 0.09


def _model_class(header: Header) -> str:
    """The hub name of the file's class, by the names and shapes of its tensors."""
    from diffusers.loaders.single_file_utils import fetch_diffusers_config

    shapes = {key: torch.empty(shape, device="meta") for key, shape in header.shapes.items()}
    return str(fetch_diffusers_config(shapes)["pretrained_model_name_or_path"])


def _pipeline(path: Path, folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_single_file(
        str(path), config=str(folder), torch_dtype=dtype, safety_checker=None, local_files_only=True
    )
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        if any(weight.is_meta for weight in part.parameters()):
            raise ValueError(f"weights of its {type(part).__name__} are missing.")
    return pipeline
