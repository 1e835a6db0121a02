"""A small model as a single file in the original layout, and its class's configuration as a hub would give it."""

import json
import re

from safetensors.torch import save_file

from tests.tiny import tiny_parts

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _network_name(name):
    """The original's name of a tensor of a U-Net with two layers per block."""
    path, leaf = name.rsplit(".", 1)
    if path in _OUTSIDE:
        return f"{_OUTSIDE[path]}.{leaf}"
    side, block, kind, layer, rest = re.fullmatch(
        r"(down|up|mid)_block(?:s\.(\d))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.+)", name
    ).groups()
    block, layer = int(block or 0), int(layer)
    if kind == "resnets":
        part, end = rest.rsplit(".", 1)
        rest = f"{_RESNET[part]}.{end}"
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * layer}.{rest}"
    place = f"input_blocks.{3 * block + layer + 1}" if side == "down" else f"output_blocks.{3 * block + layer}"
    if kind == "downsamplers":
        return f"input_blocks.{3 * block + 3}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{3 * block + 2}.{1 if block == 0 else 2}.{rest}"
    return f"{place}.{0 if kind == 'resnets' else 1}.{rest}"


def _autoencoder_name(name, levels):
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"encoder\.down_blocks\.(\d)\.resnets", r"encoder.down.\1.block", name)
    name = re.sub(r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    up = lambda new: lambda match: f"decoder.up.{levels - 1 - int(match.group(1))}.{new}"  # noqa: E731
    name = re.sub(r"decoder\.up_blocks\.(\d)\.resnets", up("block"), name)
    name = re.sub(r"decoder\.up_blocks\.(\d)\.upsamplers\.0", up("upsample"), name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match.group(1)) + 1}", name)
    if "mid_block.attentions.0." in name:
        for ours, original in _ATTENTION.items():
            name = name.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{original}.")
    return name


def original_weights(parts):
    """The tensors of a model under the names of Stable Diffusion's own code."""
    weights = {
        f"model.diffusion_model.{_network_name(key)}": value for key, value in parts["unet"].state_dict().items()
    }
    levels = len(parts["vae"].config.block_out_channels)
    for key, value in parts["vae"].state_dict().items():
        name = _autoencoder_name(key, levels)
        weights[f"first_stage_model.{name}"] = (
            value[..., None, None] if ".attn_1." in name and value.ndim == 2 else value
        )
    for key, value in parts["text_encoder"].state_dict().items():
        weights[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    return {key: value.contiguous() for key, value in weights.items()}


def save_single(path, kind="sd1", *, extra=None, metadata=None, without=(), seed=0):
    """Writes the model as one file, with further tensors and without those whose names begin with ``without``."""
    weights = original_weights(tiny_parts(path.parent / f"{path.stem}.parts", kind, seed))
    weights = {key: value for key, value in weights.items() if not key.startswith(tuple(without))} | (extra or {})
    save_file(weights, path, {"format": "pt", **(metadata or {})})
    return path


def class_folder(folder):
    """Makes a tiny diffusers folder the configuration of a class: ``model_index.json``, and no weights."""
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    library = {
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }  # fmt: skip
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0", **library}
    optional = {key: [None, None] for key in ("safety_checker", "feature_extractor", "image_encoder")}
    (folder / "model_index.json").write_text(json.dumps({**index, **optional}))
    return folder
