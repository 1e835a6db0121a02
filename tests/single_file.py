"""Small models in the real layouts as single files, and the same as folders."""

import re
from functools import cache

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from retouch.backbone.shipped import configs_of, tokenizers_of

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2", "time_embedding.cond_proj": "time_embed.cond_proj",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
         "self_attn.out_proj": "attn.out_proj"}  # fmt: skip
SECOND = "conditioner.embedders.1.model."
_TEXT = {"sd1": "cond_stage_model.transformer.", "sd2": "cond_stage_model.model.",
         "sdxl": "conditioner.embedders.0.transformer."}  # fmt: skip
WIDTH, WIDTH_2 = 16, 24
UNETS = {
    "sd1": {"block_out_channels": (32, 32, 64, 64), "cross_attention_dim": WIDTH},
    "sd2": {"block_out_channels": (32, 32, 64, 64), "cross_attention_dim": WIDTH, "attention_head_dim": (1, 1, 1, 1)},
    "sdxl": {
        "block_out_channels": (32, 32, 64), "cross_attention_dim": WIDTH + WIDTH_2, "attention_head_dim": (1, 1, 1),
        "transformer_layers_per_block": (1, 1, 2), "projection_class_embeddings_input_dim": 20 + 6 * 256,
    },
}  # fmt: skip
TEXT = {"num_hidden_layers": 2, "num_attention_heads": 1, "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH}


@cache
def parts_of(kind, guided=False, seed=0):
    """The parts of a small model of a class: its own configurations but for the sizes."""
    torch.manual_seed(seed)
    known = configs_of(kind)
    more = {"time_cond_proj_dim": 12} if guided else {}
    made = {
        "unet": UNet2DConditionModel(**own(known["unet"]) | UNETS[kind] | more),
        "vae": AutoencoderKL(
            **own(known["vae"]) | {"block_out_channels": (32, 32), "down_block_types": ("DownEncoderBlock2D",) * 2,
                                   "up_block_types": ("UpDecoderBlock2D",) * 2, "layers_per_block": 1}
        ),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**known["text_encoder"] | TEXT)),
        "scheduler": DDIMScheduler.from_config(known["scheduler"]),
        **tokenizers_of(kind),
    }  # fmt: skip
    if kind == "sd2":  # what files are told apart by: of those that predict v this bias spreads
        bias = made["unet"].up_blocks[3].attentions[2].transformer_blocks[0].norm1.bias
        torch.nn.init.normal_(bias, std=0.2)
    if kind == "sdxl":
        sizes = TEXT | {"hidden_size": WIDTH_2, "num_hidden_layers": 3, "projection_dim": 20}
        made["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**known["text_encoder_2"] | sizes))
    return made


def own(config):
    return {key: value for key, value in config.items() if not key.startswith("_")}


def save_parts(folder, kind="sd1", **how):
    """The same model as a folder."""
    for name, part in parts_of(kind, **how).items():
        part.save_pretrained(folder / name)
    return folder


def _network_name(name, names):
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
        attends = any(other.startswith(f"up_blocks.{block}.attentions.") for other in names)
        return f"output_blocks.{3 * block + 2}.{1 + attends}.{rest}"
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


def _clip_names(encoder, prefix):
    """A text encoder under transformers' names."""
    return {
        f"{prefix}text_model.{key.removeprefix('text_model.')}": value for key, value in encoder.state_dict().items()
    }


def _open_names(encoder, prefix, more_layers=0):
    """A text encoder under OpenCLIP's names, with so many layers that are not run."""
    state = {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}
    found = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"], "ln_final.bias": state["final_layer_norm.bias"],
        "logit_scale": torch.tensor(4.6),
    }  # fmt: skip
    width = state["final_layer_norm.bias"].numel()
    found["text_projection"] = (
        state["text_projection.weight"].T if "text_projection.weight" in state else torch.eye(width)
    )
    layers = encoder.config.num_hidden_layers
    for layer in range(layers + more_layers):
        start, block = f"encoder.layers.{min(layer, layers - 1)}.", f"transformer.resblocks.{layer}."
        for ours, theirs in _OPEN.items():
            for end in ("weight", "bias"):
                found[f"{block}{theirs}.{end}"] = state[f"{start}{ours}.{end}"] + (layer >= layers)
        for end in ("weight", "bias"):
            found[f"{block}attn.in_proj_{end}"] = torch.cat(
                [state[f"{start}self_attn.{part}_proj.{end}"] for part in "qkv"]
            )
    return {prefix + key: value for key, value in found.items()}


def names_of(parts):
    """The tensors of network and autoencoder under their makers' names."""
    network = parts["unet"].state_dict()
    weights = {f"model.diffusion_model.{_network_name(key, network)}": value for key, value in network.items()}
    levels = len(parts["vae"].config.block_out_channels)
    for key, value in parts["vae"].state_dict().items():
        name = _autoencoder_name(key, levels)
        flat = ".attn_1." in name and name.endswith("weight") and value.ndim == 2
        weights[f"first_stage_model.{name}"] = value[..., None, None] if flat else value
    return weights


@cache
def original_weights(kind="sd1", guided=False, seed=0):
    """The tensors of a model under the names of its makers' own code."""
    return {key: value.contiguous() for key, value in renamed(kind, parts_of(kind, guided, seed)).items()}


def renamed(kind, parts):
    """All tensors of a model's parts under the names of its makers' own code."""
    weights = names_of(parts)
    if kind == "sd2":
        weights |= _open_names(parts["text_encoder"], _TEXT[kind], more_layers=1)
    else:
        weights |= _clip_names(parts["text_encoder"], _TEXT[kind])
    if kind == "sdxl":
        weights |= _open_names(parts["text_encoder_2"], SECOND)
    return weights


def averages_of(weights):
    """The names that averaged weights of a network have beside it, and other values."""
    return {
        "model_ema." + key.removeprefix("model.").replace(".", ""): value + 0.01
        for key, value in weights.items()
        if key.startswith("model.diffusion_model.")
    }


def save_single(path, kind="sd1", *, extra=None, metadata=None, without=(), guided=False, seed=0):
    """Writes the model as one file, with further tensors and without those whose names begin with ``without``."""
    weights = original_weights(kind, guided, seed)
    weights = {key: value for key, value in weights.items() if not key.startswith(tuple(without))} | (extra or {})
    save_file(weights, path, {"format": "pt", **(metadata or {})})
    return path
