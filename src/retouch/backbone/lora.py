"""A LoRA (Hu et al. 2022) put into weights: W + w (α / r) B A, from kohya's, diffusers' or peft's files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from retouch.backbone.additions import read_addition
from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.headers import Header
from retouch.backbone.lora_names import layers_by_name
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

_HALF = re.compile(
    r"(?P<layer>.+?)\.(?P<half>lora_down|lora_up|lora_A|lora_B|lora\.down|lora\.up|lora_linear_layer\.down"
    r"|lora_linear_layer\.up)(?:\.(?!weight$)\w+)?\.weight"
)
_OF_PROCESSORS = (
    (r"\.processor\.to_(q|k|v)_lora\.", r".to_\1.lora."),
    (r"\.processor\.to_out_lora\.", ".to_out.0.lora."),
)
_OTHERS = (
    (r"\.hada_", "a LoHa"),
    (r"\.lokr_", "a LoKr"),
    (r"\.oft_", "an OFT"),
    (r"\.dora_scale|\.lora_magnitude_vector", "a DoRA"),
    (r"\.lora_mid\.", "a LoCon of Tucker's kind"),
    (r"\.on_input$", "an IA3"),
    (r"\.diff(_b)?$", "whole differences of weights"),
)
_TRANSFORMERS = ("transformer.", "lora_transformer_", "lora_unet_double_blocks", "lora_unet_single_blocks",
                 "lora_unet_joint_blocks", "diffusion_model.double_blocks", "diffusion_model.joint_blocks",
                 "diffusion_model.layers", "diffusion_model.blocks", "lora_unet_blocks")  # fmt: skip
_WIDTHS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL"}


@dataclass(frozen=True)
class LoraFile:
    """A file that was checked as far as it can be without the model.

    Attributes:
        weight: by how much it is put in; 1 is as it was trained.
    """

    path: Path
    weight: float
    header: Header

    @property
    def name(self) -> str:
        """What its sentences call it."""
        return f"the LoRA {str(self.path)!r}"


def read_lora(path: Path, weight: float) -> LoraFile:
    """Judges a file by its header.

    Raises:
        BadModel: when it is no LoRA in safetensors, is cut off, or is of a kind that cannot be put into weights.
    """
    header = read_addition("LoRA", path)
    for pattern, what in _OTHERS:
        if any(re.search(pattern, name) for name in header.shapes):
            raise BadModel(f"the LoRA {str(path)!r} is {what}, which is not understood: give a plain LoRA.")
    if header.has(*_TRANSFORMERS):
        raise BadModel(
            f"the LoRA {str(path)!r} is for a transformer (FLUX, Stable Diffusion 3 or later), and retouch edits with "
            "U-Nets: give one for the model's family."
        )
    if not any(_HALF.fullmatch(_plain(name)) for name in header.shapes):
        raise BadModel(f"{str(path)!r} holds no LoRA: give a file with lora_down and lora_up, or lora_A and lora_B.")
    return LoraFile(path, weight, header)


def put_lora(model: UNetBackbone, file: LoraFile) -> dict[str, Any] | None:
    """Adds the changes to the model's weights, and says which they are, JSON-ready; None where nothing changes.

    Raises:
        BadModel: when the file is for another family, or lacks a half.
    """
    from safetensors.torch import load_file

    tensors = load_file(file.path)
    names = layers_by_name(model.modules, _layers_per_block(model))
    changes: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        match = _HALF.fullmatch(_plain(key))
        layer, part = (match["layer"], "down" if match["half"].endswith(("down", "A")) else "up") if match else (
            key.removesuffix(".alpha"), "alpha")  # fmt: skip
        if not match and not key.endswith(".alpha"):
            raise BadModel(f"{file.name} holds {key!r}, which is no part of a plain LoRA: give another file.")
        changes.setdefault(layer, {})[part] = value.float()
    _check_family(model, file, changes, names)
    alphas, changed = _Alphas(file), False
    for layer, change in changes.items():
        if "down" not in change or "up" not in change:
            raise BadModel(f"{file.name} lacks a half of {layer!r}: fetch it again.")
        part, path = names[layer]
        changed |= _add(file, model.modules[part].get_submodule(path), layer, change, alphas)
    if not changed:  # of weight 0, or not trained
        return None
    return {"name": file.path.name, "weight": file.weight, "fingerprint": fingerprint({"lora": tensors})}


def _add(file: LoraFile, module: nn.Module, layer: str, change: Mapping[str, Tensor], alphas: _Alphas) -> bool:
    """Puts one change in, and says whether it is any."""
    weight, up, down = module.weight, change["up"], change["down"]
    assert isinstance(weight, Tensor)
    rank = down.shape[0]
    if up.shape[1:2] != down.shape[:1] or up.shape[0] != weight.shape[0] or (
        math.prod(down.shape[1:]) * math.prod(up.shape[2:]) != math.prod(weight.shape[1:])
    ):  # fmt: skip
        raise BadModel(
            f"{file.name} is for another model: its {layer!r} is {tuple(up.shape)} by {tuple(down.shape)}, and the "
            f"layer {tuple(weight.shape)}."
        )
    scale = float(change["alpha"]) / rank if "alpha" in change else alphas.scale(layer, rank)
    update = (up.flatten(1) @ down.flatten(1)).view(weight.shape) * (file.weight * scale)
    if not torch.isfinite(update).all():
        raise BadModel(f"{file.name} holds values that are no numbers, or too large, as in {layer!r}: fetch it again.")
    with torch.no_grad():
        weight.copy_(weight.float() + update.to(weight.device))
    return bool(update.any())


class _Alphas:
    """The scales of files that keep α beside the tensors: diffusers' in the header, peft's in a file next to them."""

    def __init__(self, file: LoraFile) -> None:
        self.said: dict[str, Any] = {}
        with suppress(ValueError, OSError):
            if "lora_adapter_metadata" in file.header.metadata:
                self.said = dict(json.loads(file.header.metadata["lora_adapter_metadata"]))
            elif file.header.has("base_model.model."):
                beside = json.loads((file.path.parent / "adapter_config.json").read_text(encoding="utf-8"))
                self.said = {f"base_model.{key}": value for key, value in beside.items()}

    def scale(self, layer: str, rank: int) -> float:
        """α / r, or α / √r where the file says so; 1 where it says nothing."""
        part, _, path = layer.partition(".")
        path = path.removeprefix("model.")
        alpha = self.said.get(f"{part}.lora_alpha", rank)
        for pattern, own in (self.said.get(f"{part}.alpha_pattern") or {}).items():
            if path == pattern or fnmatch(path, f"*.{pattern}"):
                alpha = own
        return float(alpha) / (math.sqrt(rank) if self.said.get(f"{part}.use_rslora") else rank)


def _plain(key: str) -> str:
    """A key of the attention processors that diffusers once had, as one of layers."""
    for old, new in _OF_PROCESSORS:
        key = re.sub(old, new, key)
    return key


def _layers_per_block(model: UNetBackbone) -> int:
    said = model.unet.config.layers_per_block
    return int(said if isinstance(said, int) else said[0])


def _check_family(
    model: UNetBackbone, file: LoraFile, changes: Mapping[str, Mapping[str, Tensor]], names: Mapping[str, Any]
) -> None:
    """Refuses a file that was made for another family, by what it reads texts from, or names layers that are not there.

    Raises:
        BadModel: naming the family where it can be told.
    """
    own = int(model.unet.config.cross_attention_dim)
    for layer, change in changes.items():
        if re.search(r"attn2[._]to_k$", layer) and "down" in change and change["down"].shape[1] != own:
            width = change["down"].shape[1]
            _refuse(
                model, file, f"its network reads texts of width {width}, {model.name!r} of {own}", _WIDTHS.get(width)
            )
    for layer in changes:
        if layer not in names:
            second = layer.startswith(("lora_te2_", "text_encoder_2."))
            _refuse(
                model, file, f"it changes {layer!r}, which {model.name!r} does not have", "SDXL" if second else None
            )


def _refuse(model: UNetBackbone, file: LoraFile, why: str, family: str | None) -> NoReturn:
    raise BadModel(
        f"{file.name} is for {family or 'another family of models'}, not for {model.family.name} ({why}): give one for "
        "the model's family."
    )
