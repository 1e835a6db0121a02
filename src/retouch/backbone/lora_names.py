"""What LoRA files call the layers of a model: by path, by path with underscores, and by the original code's paths."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import nn

_TEXT_ENCODERS = {"text_encoder": ("lora_te_", "lora_te1_"), "text_encoder_2": ("lora_te2_",)}
_RESNET = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTSIDE = {
    "conv_in": "input_blocks.0.0", "conv_out": "out.2", "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_BLOCK = re.compile(r"(down|up|mid)_block(?:s\.(\d+))?\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")


def layers_by_name(modules: Mapping[str, nn.Module], layers_per_block: int) -> dict[str, tuple[str, str]]:
    """Every linear and convolutional layer, as (part, path), by all of the names that files have for it.

    Args:
        modules: the parts that hold weights; the network is "unet".
        layers_per_block: of the network.
    """
    found: dict[str, tuple[str, str]] = {}
    for part, module in modules.items():
        paths = [path for path, one in module.named_modules() if isinstance(one, nn.Linear | nn.Conv2d)]
        if part == "unet":
            for path in paths:
                original = _original(path, layers_per_block, modules[part])
                flat = (f"lora_unet_{name.replace('.', '_')}" for name in (path, original) if name)
                dotted = (f"unet.{path}", f"base_model.model.{path}", path, f"diffusion_model.{original}")
                found |= dict.fromkeys((*flat, *dotted), (part, path))
        for start in _TEXT_ENCODERS.get(part, ()):
            for path in paths:
                bare = path.removeprefix("text_model.")  # a prefix that only some versions of transformers have
                spelt = (bare, f"text_model.{bare}")
                flat = (f"{start}{name.replace('.', '_')}" for name in spelt)
                found |= dict.fromkeys((*flat, *(f"{part}.{name}" for name in spelt)), (part, path))
    return found


def _original(path: str, layers: int, unet: nn.Module) -> str:
    """The original code's path of a layer; "" where it has none."""
    if path in _OUTSIDE:
        return _OUTSIDE[path]
    match = _BLOCK.fullmatch(path)
    if not match:
        return ""
    side, number, kind, index, rest = match.groups()
    block, layer = int(number or 0), int(index)
    if kind == "resnets":
        rest = _RESNET.get(rest, rest)
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * layer}.{rest}"
    if kind == "downsamplers":
        return f"input_blocks.{(layers + 1) * (block + 1)}.0.op"
    if kind == "upsamplers":
        attends = any(name.startswith(f"up_blocks.{block}.attentions.") for name, _ in unet.named_modules())
        return f"output_blocks.{(layers + 1) * block + layers}.{2 if attends else 1}.conv"
    place = (
        f"input_blocks.{(layers + 1) * block + layer + 1}" if side == "down"
        else f"output_blocks.{(layers + 1) * block + layer}"
    )  # fmt: skip
    return f"{place}.{0 if kind == 'resnets' else 1}.{rest}"
