"""What adapters a live network has loaded, and its own weights apart from them, wherever they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retouch.backbone.fingerprint import fingerprint

_BASE = "base_layer."
_OF_ADAPTERS = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector")
_FUSED = ("to_qkv", "to_kv")
"""What ``fuse_qkv_projections`` of diffusers makes, and ``unfuse_qkv_projections`` leaves."""


def own_weights(module: nn.Module) -> dict[str, Tensor]:
    """A module's weights by name as if no adapter were loaded, also of one whose weights are offloaded one by one."""
    return {
        name.replace(_BASE, ""): _kept(module, name, value)
        for name, value in module.state_dict().items()
        if is_own(name)
    }


def is_own(name: str) -> bool:
    """Whether a weight of this name is the module's own: no adapter's, and no copy that was fused from others."""
    return not any(part in (*_OF_ADAPTERS, *_FUSED) for part in name.split("."))


def adapters_of(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The adapters that act in the parts, JSON-ready: by name, how strongly where that is one number, and which.

    The fingerprint is of an adapter's weights with their scales: two of one fingerprint do the same.
    """
    weights: dict[str, dict[str, Tensor]] = {}
    scales: dict[str, set[float]] = {}
    for part, module in parts.items():
        for path, layer in module.named_modules():
            if not hasattr(layer, "active_adapters") or not hasattr(layer, "lora_A") or layer.disable_adapters:
                continue
            for name in layer.active_adapters:
                if name not in layer.scaling or name in layer.merged_adapters:
                    continue
                scale = float(layer.scaling[name])
                if not scale:
                    continue  # it changes nothing
                scales.setdefault(name, set()).add(round(scale * layer.r[name] / layer.lora_alpha[name], 6))
                found = weights.setdefault(name, {})
                found[f"{part}.{path}.scale"] = torch.tensor([scale])
                for key, value in layer.state_dict().items():
                    if f".{name}." in key or key.endswith(f".{name}"):
                        found[f"{part}.{path}.{key}"] = _kept(layer, key, value)
    return [
        {
            "name": name, **({"weight": min(scales[name])} if len(scales[name]) == 1 else {}),
            "fingerprint": fingerprint({"adapter": found}),
        }
        for name, found in sorted(weights.items())
    ]  # fmt: skip


def _kept(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """A weight's values where accelerate keeps them while it is not computed with."""
    if not value.is_meta:
        return value
    path, _, leaf = name.rpartition(".")
    kept: Tensor = getattr(module.get_submodule(path), "_hf_hook").weights_map[leaf]  # noqa: B009
    return kept
