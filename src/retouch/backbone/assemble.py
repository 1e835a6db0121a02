"""From a checkpoint's configurations and loaded parts to a backbone, the same for folders and single files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from retouch.backbone.configs import check_network_and_parts, checked_schedule, doublings, repaired_side
from retouch.backbone.family import IF, SD, SDXL, Family
from retouch.backbone.pixel import PixelCascade
from retouch.backbone.recommended import Recommended
from retouch.backbone.schedule import prediction_type, schedule_from_config
from retouch.backbone.sd import StableDiffusion
from retouch.backbone.sdxl import StableDiffusionXL
from retouch.backbone.settings import UNGUIDED, ModelSettings, ReadAs
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter

_BACKBONES: Mapping[Family, type[UNetBackbone]] = {SD: StableDiffusion, SDXL: StableDiffusionXL, IF: PixelCascade}


def backbone_type(family: Family) -> type[UNetBackbone]:
    """How a family is computed."""
    return _BACKBONES[family]


@dataclass(frozen=True)
class Plan:
    """What is known of a checkpoint before its weights are read.

    Attributes:
        family: what it is made of.
        schedule: its scheduler's config, repaired and as the user has it.
        side: of the latents the network was trained on.
    """

    name: str
    family: Family
    schedule: Mapping[str, Any]
    side: int
    read_as: ReadAs


def plan(
    name: str, family: Family, settings: ModelSettings, configs: Mapping[str, Mapping[str, Any]], folder: bool = True
) -> Plan:
    """Checks the configurations by themselves and against each other.

    Args:
        settings: what the user says in their place.
        configs: by part: scheduler, unet, vae and the text encoders.
        folder: whether each is a file in a folder, by which sentences call it.

    Raises:
        BadModel: when retouch cannot edit with such a model, or its parts do not belong together.
        BadParameter: when the settings do not go with it.
    """
    files = family.configs if folder else {part: f"the {_words(part)}" for part in family.configs}
    own = checked_schedule(name, configs["scheduler"], family, files["scheduler"])
    check_network_and_parts(name, family, configs, files)
    if settings.guidance is not None and configs["unet"].get("time_cond_proj_dim") is None:
        raise BadParameter(f"guidance is {settings.guidance:g}, but the network of {name!r} takes no guidance scale.")
    side = repaired_side(configs["unet"], family)
    cells, levels = (doublings(part, configs[part]) for part in ("vae", "unet"))
    factor, multiple = 2**cells, 2 ** (cells + levels)
    if settings.native is not None and settings.native % multiple:
        raise BadParameter(f"native is {settings.native}, expected a multiple of {multiple} for {name!r}.")
    said = {
        "prediction": prediction_type(own), "zero_snr": bool(own.get("rescale_betas_zero_snr")),
        "native": side * factor, "guidance": UNGUIDED,
    }  # fmt: skip
    schedule = settings.applied(own)
    schedule_from_config(schedule, min(50, int(schedule.get("num_train_timesteps", 1000))))  # that it gives timesteps
    return Plan(
        name, family, schedule, settings.native // factor if settings.native else side, ReadAs(settings.given(), said)
    )


def assembled(
    planned: Plan, device: torch.device, recommended: Recommended | None = None, *, parts: Mapping[str, Any],
    **more: Any,
) -> UNetBackbone:  # fmt: skip
    """The backbone of loaded parts.

    Args:
        parts: those of the family that hold weights, and the tokenizers, by name.
        more: what the family's backbone takes beside them.

    Raises:
        BadModel: when a weight is no number, or a tokenizer knows tokens that its text encoder does not.
    """
    family = planned.family
    for part in family.weighty:
        for key, weight in parts[part].named_parameters():
            # one pass without a copy: a maximum is no number where one of them is none
            if weight.numel() and not all(torch.isfinite(edge) for edge in torch.aminmax(weight.detach())):
                raise BadModel(
                    f"the {part} of {planned.name!r} holds weights that are no numbers, as in {key}: fetch it again."
                )
    check_vocabularies(planned.name, family, parts)
    parts["unet"].register_to_config(sample_size=planned.side)
    return _BACKBONES[family](
        planned.name,
        **{part: module.to(device) if part in family.weighty else module for part, module in parts.items()},
        schedule_config=planned.schedule,
        device=device,
        recommended=recommended,
        read_as=planned.read_as,
        **more,
    )


def check_vocabularies(name: str, family: Family, parts: Mapping[str, Any]) -> None:
    """Refuses a tokenizer that knows tokens which its text encoder does not.

    Raises:
        BadModel: naming both.
    """
    for encoder, tokenizer in zip(family.encoders, family.tokenizers, strict=True):
        known, rows = len(parts[tokenizer]), parts[encoder].config.vocab_size
        if known > rows:
            raise BadModel(
                f"the {_words(tokenizer)} of {name!r} knows {known} tokens and its {_words(encoder)} {rows}: its parts "
                "do not belong together (a textual inversion whose vectors were not saved?)."
            )


def _words(part: str) -> str:
    return part.replace("_", " ")


def vae_dtype(dtype: torch.dtype, config: Mapping[str, Any]) -> torch.dtype:
    """The autoencoder's precision: float32 for those that say they overflow in half precision."""
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", True) else dtype
