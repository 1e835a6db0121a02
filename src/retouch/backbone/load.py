"""From a name to a backbone: the embedded model, a diffusers folder, a hub name, or a single .safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch

from retouch.backbone.configs import check_tokenizer, check_unet, checked_schedule, read_config, repaired_side
from retouch.backbone.places import device_named, precision_named
from retouch.backbone.quiet import quietly, without_collection
from retouch.backbone.recommended import FILE as RECOMMENDED_FILE
from retouch.backbone.recommended import Recommended, read_recommended
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

EMBEDDED = "diorama"
EMBEDDED_FOLDER = Path(__file__).parent.parent / "diorama" / "weights"
"""Where the embedded model lies inside the package."""

_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_WEIGHTS = {
    "unet": "unet/diffusion_pytorch_model{}.safetensors",
    "vae": "vae/diffusion_pytorch_model{}.safetensors",
    "text_encoder": "text_encoder/model{}.safetensors",
}
_HALF = ".fp16"
_ONLY_SD = "retouch edits with Stable Diffusion 1.x and 2.x models."


@without_collection()
def load(
    name: str | PathLike[str] = EMBEDDED,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    offline: bool = False,
) -> UNetBackbone:
    """Loads a Stable Diffusion 1.x or 2.x checkpoint.

    Args:
        name: ``"diorama"``, a diffusers folder, a hub name such as ``"owner/model"``, or a ``.safetensors`` file.
        device: default: cuda, else mps, else the CPU.
        dtype: of the network, also as "float32", "float16" or "bfloat16"; default: float16 on cuda, else float32. On
            the CPU float16 becomes float32.
        offline: never ask a hub; what was fetched before may be used.

    Raises:
        BadModel: when there is no such model or it is of another kind, in one sentence.
        BadParameter: when there is no such device or precision.
    """
    name = fspath(name)
    place = device_named(device)
    precision = precision_named(dtype) or (torch.float16 if place.type == "cuda" else torch.float32)
    if place.type == "cpu" and precision == torch.float16:
        precision = torch.float32  # half precision on a CPU is slow, and some operators lack it
    if precision != torch.bfloat16:
        return _named(name, place, precision, offline)
    # the fingerprint names the checkpoint and not the precision: bfloat16 would round what it reads
    model = _named(name, place, torch.float32, offline)
    model.fingerprint = model.fingerprint
    for part in (model.unet, model.vae, model.text_encoder):
        part.to(precision)
    return model


def _named(name: str, place: torch.device, precision: torch.dtype, offline: bool) -> UNetBackbone:
    if name == EMBEDDED:
        if not (EMBEDDED_FOLDER / "unet").is_dir():
            raise BadModel("the embedded model's weights are missing from this installation: install retouch again.")
        return _from_folder(name, EMBEDDED_FOLDER, place, precision)
    path = Path(name).expanduser()
    if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        return _from_folder(name, path, place, precision)
    if path.suffix in (".safetensors", ".ckpt", ".pt", ".bin") or os.path.isfile(path):
        return _from_file(name, path, place, precision, offline)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise BadModel(
            f"there is no model {name!r}: give 'diorama', the path of a diffusers folder or of a .safetensors file, or "
            "a hub name like owner/model."
        )
    return _from_folder(name, _from_hub(name, offline), place, precision)


def helper_folder(name: str, part: str) -> Path:
    """Where a model that serves beside a checkpoint lies: ``part`` of the embedded one, a folder, or a hub's copy.

    Args:
        name: ``"diorama"``, a folder, or a hub name; a hub is asked for JSON, text and safetensors alone.
    """
    if name == EMBEDDED:
        return EMBEDDED_FOLDER / part
    if os.path.isdir(name):
        return Path(name)
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "model*.safetensors"]
    return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=["*fp16*"]))


def _from_hub(name: str, offline: bool) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download

    # only what is read: many repositories hold each part in half a dozen further formats
    patterns = [
        "model_index.json",
        RECOMMENDED_FILE,
        *(f"{part}/*.{end}" for part in _PARTS for end in ("json", "txt")),
    ]
    try:
        cached = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        if all(any((cached / part).glob("*.safetensors")) for part in _WEIGHTS):
            return cached  # at once, also without a network
    except (OSError, ValueError):  # nothing of it was fetched before: ask the hub
        pass
    try:
        there = () if offline else list_repo_files(name)
        for weights in _WEIGHTS.values():
            only_half = weights.format("") not in there and weights.format(_HALF) in there
            patterns.append(weights.format(_HALF if only_half else ""))
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=offline))
    except Exception as error:  # whatever the hub, the network or the cache raises, the user's remedy is the same
        raise BadModel(
            f"the model {name!r} is neither a local path nor could it be fetched ({type(error).__name__}): check the "
            "name and the connection, or give the path of a diffusers folder or .safetensors file."
        ) from error


def _from_folder(name: str, folder: Path, device: torch.device, dtype: torch.dtype) -> UNetBackbone:
    if (folder / "text_encoder_2").is_dir():
        raise BadModel(f"{name!r} has two text encoders (SDXL or later); {_ONLY_SD}")
    missing = [part for part in _PARTS if not (folder / part).is_dir()]
    if missing:
        raise BadModel(
            f"{name!r} is not a Stable Diffusion folder: it lacks {', '.join(missing)} (expected the layout that "
            "diffusers saves)."
        )
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    def how(part: str) -> dict[str, Any]:
        plain, half = ((folder / _WEIGHTS[part].format(kind)).exists() for kind in ("", _HALF))
        variant = "fp16" if half and not plain else None
        return {"variant": variant, "use_safetensors": True, "output_loading_info": True, "local_files_only": True}

    config = checked_schedule(name, read_config(name, folder / "scheduler" / "scheduler_config.json"))
    network, autoencoder = (read_config(name, folder / part / "config.json") for part in ("unet", "vae"))
    check_unet(name, network)
    check_tokenizer(name, folder / "tokenizer")
    try:
        with quietly():
            unet = _whole(UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype, **how("unet")))
            unet.register_to_config(sample_size=repaired_side(network))
            vae_dtype = _vae_dtype(dtype, autoencoder)
            vae = _whole(AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=vae_dtype, **how("vae")))
            text_encoder = _whole(
                CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, **how("text_encoder"))
            )
            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    except Exception as error:  # three libraries and a file format, each with errors of its own
        raise BadModel(f"the model {name!r} could not be read: {_one_line(error)}") from error
    recommended = read_recommended(folder)
    return _assembled(name, unet, vae, text_encoder, tokenizer, config, device, recommended)


def _whole(loaded: Any) -> Any:
    """The model of (model, loading info), when its files held every weight: the libraries would make up the rest."""
    model, info = loaded
    if info["missing_keys"]:
        example = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} weights are missing from its files, among them {example!r}.")
    return model


def _vae_dtype(dtype: torch.dtype, config: Any) -> torch.dtype:
    """The autoencoder's precision: float32 for those that say they overflow in half precision."""
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", True) else dtype


def _from_file(name: str, path: Path, device: torch.device, dtype: torch.dtype, offline: bool) -> UNetBackbone:
    if not os.path.isfile(path):
        raise BadModel(f"there is no file {name!r}: give the path of a .safetensors checkpoint.")
    if path.suffix != ".safetensors":
        raise BadModel(
            f"{name!r} is not a .safetensors file: pickled checkpoints can run code and are never loaded; convert it."
        )
    from diffusers.loaders.single_file_utils import fetch_diffusers_config
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from huggingface_hub import snapshot_download
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except Exception as error:
        raise BadModel(f"the checkpoint {name!r} could not be read: {_one_line(error)}") from error
    if not any(key.startswith("model.diffusion_model.") for key in weights):
        raise BadModel(f"{name!r} holds no whole Stable Diffusion checkpoint (a LoRA or a single part?); {_ONLY_SD}")
    if any(key.startswith("conditioner.embedders.") for key in weights):
        raise BadModel(f"{name!r} has two text encoders (SDXL); {_ONLY_SD}")
    model_class = fetch_diffusers_config(weights)["pretrained_model_name_or_path"]
    predicts_noise = _predicts_noise(weights)
    del weights
    patterns = ["**/*.json", "*.json", "**/*.txt"]
    try:
        # fetched here, since diffusers asks the hub even when told not to
        configs = snapshot_download(model_class, allow_patterns=patterns, local_files_only=offline)
    except Exception as error:
        raise BadModel(
            f"the checkpoint {name!r} holds weights only, and the configuration of its class, {model_class!r}, could "
            f"not be fetched ({type(error).__name__}): connect once, or give a diffusers folder."
        ) from error
    try:
        with quietly():
            pipeline: Any = StableDiffusionPipeline.from_single_file(
                str(path), config=configs, torch_dtype=dtype, safety_checker=None, local_files_only=True
            )
            for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
                if any(weight.is_meta for weight in part.parameters()):
                    raise ValueError(f"weights of its {type(part).__name__} are missing.")
    except Exception as error:
        raise BadModel(f"the checkpoint {name!r} could not be read: {_one_line(error)}") from error
    vae, config = pipeline.vae.to(_vae_dtype(dtype, pipeline.vae.config)), dict(pipeline.scheduler.config)
    if predicts_noise:
        config["prediction_type"] = "epsilon"
        pipeline.unet.register_to_config(sample_size=64)
    return _assembled(name, pipeline.unet, vae, pipeline.text_encoder, pipeline.tokenizer, config, device)


def _predicts_noise(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether a single file is an SD 2.x "base" model: noise prediction, 512 pixels.

    The file does not say, and its class's configuration is the 768-pixel model's, which predicts v. The spread of
    this bias tells them apart, a rule of thumb that other programs use too: above 0.09 the model predicts v.
    """
    bias = weights.get("model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias")
    context = weights.get("model.diffusion_model.output_blocks.11.1.transformer_blocks.0.attn2.to_k.weight")
    if bias is None or context is None or context.shape[1] != 1024:
        return False
    return float(bias.float().std(correction=0)) <= 0.09


def _assembled(
    name: str, unet: Any, vae: Any, text_encoder: Any, tokenizer: Any, config: Any, device: torch.device,
    recommended: Recommended | None = None,
) -> UNetBackbone:  # fmt: skip
    if unet.config.in_channels != vae.config.latent_channels:
        raise BadModel(
            f"the network of {name!r} takes {unet.config.in_channels} channels but its autoencoder gives "
            f"{vae.config.latent_channels} (an inpainting or depth model?): give a plain text-to-image checkpoint."
        )
    if unet.config.cross_attention_dim != text_encoder.config.hidden_size:
        raise BadModel(
            f"the network of {name!r} reads text embeddings of width {unet.config.cross_attention_dim} but its text "
            f"encoder gives {text_encoder.config.hidden_size}: its parts do not belong together."
        )
    return UNetBackbone(
        name,
        unet=unet.to(device),
        vae=vae.to(device),
        text_encoder=text_encoder.to(device),
        tokenizer=tokenizer,
        schedule_config=config,
        device=device,
        recommended=recommended,
    )


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
