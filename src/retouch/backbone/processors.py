"""What a live pipeline's owner has made of its network beside its weights: attention processors, and FreeU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from retouch.backbone.fingerprint import fingerprint

PLAIN_ATTENTION = frozenset(
    {
        "AttnProcessor", "AttnProcessor2_0", "AttnProcessorNPU", "FusedAttnProcessor2_0", "SlicedAttnProcessor",
        "XFormersAttnProcessor", "XLAFlashAttnProcessor2_0", "AttnAddedKVProcessor", "AttnAddedKVProcessor2_0",
        "SlicedAttnAddedKVProcessor", "XFormersAttnAddedKVProcessor",
    }
)  # fmt: skip
"""diffusers' processors that compute the same attention, each in its own way."""
_SCALES = ("s1", "s2", "b1", "b2")
"""Of FreeU (Si et al. 2023), as diffusers notes them at the decoder's blocks."""


def is_fused(network: Any) -> bool:
    """Whether attention computes with copies of its weights, side by side in one matrix (``fuse_qkv_projections``)."""
    return any(type(one).__name__.startswith("Fused") for one in getattr(network, "attn_processors", {}).values())


def has_other_processors(network: Any) -> bool:
    """Whether a layer's attention processor is of no plain kind."""
    return any(type(one).__name__ not in PLAIN_ATTENTION for one in getattr(network, "attn_processors", {}).values())


def processors_of(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attention processors of no plain kind, JSON-ready: their classes, on how many layers, and which.

    The fingerprint is of the layers, of the numbers, words and switches that a processor holds, and of its weights.
    """
    layers: dict[str, dict[str, torch.Tensor]] = {}
    count: dict[str, int] = {}
    for part, module in parts.items():
        for path, one in getattr(module, "attn_processors", {}).items():
            kind = type(one).__name__
            if kind in PLAIN_ATTENTION:
                continue
            held = {key: said for key, said in sorted(vars(one).items()) if isinstance(said, int | float | str)}
            count[kind] = count.get(kind, 0) + 1
            found = layers.setdefault(kind, {})
            found[f"{part}.{path} {json.dumps(held)}"] = torch.empty(0)
            if isinstance(one, nn.Module):
                found |= {f"{part}.{path}.{key}": value for key, value in one.state_dict().items()}
    return [
        {"class": kind, "layers": count[kind], "fingerprint": fingerprint({"processors": found})}
        for kind, found in sorted(layers.items())
    ]


def freeu_of(unet: Any) -> list[dict[str, float]]:
    """FreeU's scales, where it acts; once, or for every block where they differ."""
    scales = [
        {name: float(value) for name in _SCALES if (value := getattr(block, name, None)) is not None}
        for block in unet.up_blocks
    ]
    acting = [one for one in scales if len(one) == len(_SCALES) and all(one.values())]  # as diffusers takes it
    return acting[:1] if len(acting) == len(scales) and all(one == acting[0] for one in acting) else acting
