"""A single file's configurations: its class's, with the sizes that its tensors have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from retouch.backbone.headers import Header

UNET, VAE, AVERAGED = "model.diffusion_model.", "first_stage_model.", "model_ema."
CLIP = {
    "sd1": {"text_encoder": "cond_stage_model.transformer."},
    "sd2": {"text_encoder": "cond_stage_model.model."},
    "sdxl": {
        "text_encoder": "conditioner.embedders.0.transformer.", "text_encoder_2": "conditioner.embedders.1.model.",
    },
}  # fmt: skip
"""Where the text encoders of each class lie."""
_HEAD = 64  # the width of an attention head in all of these but the network of SD 1.x, which has eight heads


def configs_for(header: Header, kind: str, known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The configurations by part.

    Args:
        header: of a file that :func:`retouch.backbone.kinds.class_of` found to be a ``kind``.
        known: the class's own.
    """
    said = {part: dict(config) for part, config in known.items()}
    said["unet"] |= _unet(header, kind)
    shapes = {name.removeprefix(VAE): shape for name, shape in header.shapes.items() if name.startswith(VAE)}
    said["vae"] |= vae_sizes(shapes)
    for part, prefix in CLIP[kind].items():
        said[part] |= _text(header, prefix, dropped=kind == "sd2")
    return said


def _unet(header: Header, kind: str) -> dict[str, Any]:
    shapes = {name.removeprefix(UNET): shape for name, shape in header.shapes.items() if name.startswith(UNET)}
    channels, depths, layers = list[int](), list[int](), list[int]()
    for number in range(1, _count(shapes, r"input_blocks\.(\d+)\.")):
        block = f"input_blocks.{number}"
        if f"{block}.0.op.weight" in shapes or not channels:
            channels.append(0)
            depths.append(0)
            layers.append(0)
        if f"{block}.0.in_layers.2.weight" in shapes:
            channels[-1] = shapes[f"{block}.0.in_layers.2.weight"][0]
            depths[-1] = max(depths[-1], _count(shapes, re.escape(block) + r"\.1\.transformer_blocks\.(\d+)\."))
            layers[-1] += 1
    if not all(channels):
        return {}  # parts are missing, which reading the weights will tell
    first = next((depths.index(depth) for depth in depths if depth), 0)
    block = f"input_blocks.{1 + first * (layers[0] + 1)}.1"
    attends = ["CrossAttn" if depth else "" for depth in depths]
    found: dict[str, Any] = {
        "block_out_channels": channels, "layers_per_block": layers[0],
        "down_block_types": [f"{kind}DownBlock2D" for kind in attends],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(attends)],
        "transformer_layers_per_block": [max(1, depth) for depth in depths],
        "attention_head_dim": 8 if kind == "sd1" else [max(1, width // _HEAD) for width in channels],
        "cross_attention_dim": shapes.get(f"{block}.transformer_blocks.0.attn2.to_k.weight", (0, 0))[1],
        "use_linear_projection": len(shapes.get(f"{block}.proj_in.weight", ())) == 2,
    }  # fmt: skip
    if kind == "sdxl":
        found["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
    if "time_embed.cond_proj.weight" in shapes:
        found["time_cond_proj_dim"] = shapes["time_embed.cond_proj.weight"][1]
    return found


def vae_sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What an autoencoder's tensors tell of it, by the names of the original code; nothing for other names."""
    levels = _count(shapes, r"encoder\.down\.(\d+)\.")
    channels = [shapes.get(f"encoder.down.{i}.block.0.conv1.weight", (0,))[0] for i in range(levels)]
    ends = [shapes.get(f"{part}.weight") for part in ("encoder.conv_in", "decoder.conv_in", "decoder.conv_out")]
    if not channels or not all(channels) or not all(ends):
        return {}
    taken, latent, given = ends
    assert taken and latent and given
    return {
        "block_out_channels": channels, "layers_per_block": _count(shapes, r"encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels,
        "in_channels": taken[1], "latent_channels": latent[1], "out_channels": given[0],
    }  # fmt: skip


def _text(header: Header, prefix: str, dropped: bool) -> dict[str, Any]:
    """``dropped``: whether the last layer is left out, as SD 2.x does, which reads the last but one."""
    shapes = {name.removeprefix(prefix): shape for name, shape in header.shapes.items() if name.startswith(prefix)}
    theirs = "token_embedding.weight" in shapes  # OpenCLIP's names
    words, places, inside, layer = (
        ("token_embedding.weight", "positional_embedding", "transformer.resblocks.0.mlp.c_fc.weight",
         r"transformer\.resblocks\.(\d+)\.") if theirs else
        ("text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight",
         "text_model.encoder.layers.0.mlp.fc1.weight", r"text_model\.encoder\.layers\.(\d+)\.")
    )  # fmt: skip
    if not all(name in shapes for name in (words, places, inside)):
        return {}
    known, width = shapes[words]
    count = _count(shapes, layer)
    return {
        "vocab_size": known, "hidden_size": width, "max_position_embeddings": shapes[places][0],
        "intermediate_size": shapes[inside][0], "num_attention_heads": max(1, width // _HEAD),
        # files that were written back from diffusers' layout may lack the layer that is left out
        "num_hidden_layers": count if not dropped or count == 23 else count - 1,
        **({"projection_dim": shapes["text_projection"][1]} if theirs and "text_projection" in shapes else {}),
    }  # fmt: skip


def _count(names: Mapping[str, Any], form: str) -> int:
    """One more than the greatest number that ``form`` finds at the beginning of names."""
    found = [int(match[1]) for name in names if (match := re.match(form, name))]
    return max(found, default=-1) + 1
