"""Models of the shapes of well-known checkpoints with random weights: as fast as these, and read from no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from retouch.backbone.assemble import Plan, assembled, backbone_type, plan, vae_dtype
from retouch.backbone.family import IF
from retouch.backbone.filled import Subject, blank
from retouch.backbone.load import EMBEDDED_CASCADE
from retouch.backbone.places import device_named, precision_named
from retouch.backbone.quiet import quietly, without_collection
from retouch.backbone.settings import ModelSettings
from retouch.backbone.shipped import CLASSES, configs_of, tokenizers_of
from retouch.backbone.stages import plan_stages, t5_tokenizer
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel

SHAPES: Mapping[str, str] = {"sd15-shape": "sd1", "sd21-shape": "sd2", "sdxl-shape": "sdxl", "if-shape": "if"}
"""The models by name, with what their configurations are shipped as."""


@without_collection()
def random_model(
    name: str, device: str | torch.device | None = None, dtype: torch.dtype | str | None = None
) -> UNetBackbone:
    """A model of one of the ``SHAPES`` whose weights are drawn anew, the same each time on one device.

    Of DeepFloyd IF it is the base stage IF-I-XL, with one layer of its T5 in place of 24: each text is read once.

    Args:
        device, dtype: as for :func:`retouch.backbone.load.load`.

    Raises:
        BadModel: when there is no such shape.
        BadParameter: when there is no such device or precision.
    """
    if name not in SHAPES:
        raise BadModel(f"there is no shape {name!r}, expected one of {', '.join(SHAPES)}.")
    place = device_named(device)
    precision = precision_named(dtype) or (torch.float16 if place.type == "cuda" else torch.float32)
    if place.type == "cpu" and precision == torch.float16:
        precision = torch.float32  # as models with weights are loaded
    configs = configs_of(SHAPES[name])
    planned = _planned(name, configs)
    kinds = dict.fromkeys(planned.family.weighty, precision)
    if "vae" in kinds:
        kinds["vae"] = vae_dtype(precision, configs["vae"])
    with quietly():
        parts = {part: _drawn(name, part, configs[part], place, kind) for part, kind in kinds.items()}
        parts |= {"tokenizer": t5_tokenizer(name, EMBEDDED_CASCADE / "tokenizer")} if planned.family is IF else {}
        parts |= {} if planned.family is IF else tokenizers_of(SHAPES[name])
    model = assembled(planned, place, parts=parts)
    model.fingerprint = "random"  # nothing is known by it, and reading all weights for it takes long
    return model


def shape_of(name: str, dtype: torch.dtype) -> UNetBackbone:
    """A model of one of the ``SHAPES`` without weights, of which sizes can be counted and nothing computed.

    Of DeepFloyd IF all layers of its T5 are there.
    """
    configs = configs_of(SHAPES[name])
    layers = configs["text_encoder"].get("num_layers")
    planned = _planned(name, configs)
    if layers is not None:
        configs["text_encoder"]["num_layers"] = layers
    with quietly():
        parts = {
            part: blank(Subject(name, part), configs[part]).to(
                vae_dtype(dtype, configs[part]) if part == "vae" else dtype
            )
            for part in planned.family.weighty
        }
        tokenizers = {"tokenizer": t5_tokenizer(name, EMBEDDED_CASCADE / "tokenizer")}
        parts |= tokenizers if planned.family is IF else tokenizers_of(SHAPES[name])
    parts["unet"].register_to_config(sample_size=planned.side)
    return backbone_type(planned.family)(
        name, **parts, schedule_config=planned.schedule, device=torch.device("cpu"), read_as=planned.read_as
    )


def _planned(name: str, configs: dict[str, dict[str, Any]]) -> Plan:
    """The plan; what of a text encoder is only read once is cut off."""
    if SHAPES[name] == "if":
        configs["text_encoder"]["num_layers"] = 1
        return plan_stages(name, ModelSettings(), configs)
    return plan(name, CLASSES[SHAPES[name]], ModelSettings(), configs, folder=False)


def _drawn(name: str, part: str, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A part with weights that keep values about as large as they come, so that none overflows."""
    made: nn.Module = blank(Subject(name, part), config)
    generator = torch.Generator(device).manual_seed(0)

    def value(key: str, wanted: Tensor) -> Tensor:
        if not wanted.is_meta:
            return wanted.to(device)
        found = torch.empty(wanted.shape, device=device, dtype=dtype)
        if wanted.ndim < 2:
            return found.fill_(float(key.endswith("weight")))  # norms as they start, no biases
        most = (3 / (wanted.numel() / wanted.shape[0])) ** 0.5
        return found.uniform_(-most, most, generator=generator)

    made.load_state_dict({key: value(key, wanted) for key, wanted in made.state_dict().items()}, assign=True)
    tie: Callable[[], None] = getattr(made, "tie_weights", lambda: None)
    tie()
    return made
