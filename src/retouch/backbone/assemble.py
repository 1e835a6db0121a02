"""From a checkpoint's configurations and loaded parts to a backbone, the same for folders and single files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from retouch.backbone.configs import check_network_and_parts, checked_schedule, doublings, repaired_side
from retouch.backbone.recommended import Recommended
from retouch.backbone.schedule import prediction_type, schedule_from_config
from retouch.backbone.settings import ModelSettings, ReadAs
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter


@dataclass(frozen=True)
class Plan:
    """What is known of a checkpoint before its weights are read.

    Attributes:
        schedule: its scheduler's config, repaired and as the user has it.
        side: of the latents the network was trained on.
    """

    name: str
    schedule: Mapping[str, Any]
    side: int
    read_as: ReadAs


def plan(name: str, settings: ModelSettings, configs: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Checks the configurations by themselves and against each other.

    Args:
        settings: what the user says in their place.
        configs: by part: scheduler, unet, vae, text_encoder.

    Raises:
        BadModel: when retouch cannot edit with such a model, or its parts do not belong together.
        BadParameter: when the settings do not go with it.
    """
    own = checked_schedule(name, configs["scheduler"])
    check_network_and_parts(name, configs)
    side = repaired_side(configs["unet"])
    cells, levels = (doublings(part, configs[part]) for part in ("vae", "unet"))
    factor, multiple = 2**cells, 2 ** (cells + levels)
    if settings.native is not None and settings.native % multiple:
        raise BadParameter(f"native is {settings.native}, expected a multiple of {multiple} for {name!r}.")
    said = {
        "prediction": prediction_type(own), "zero_snr": bool(own.get("rescale_betas_zero_snr")),
        "native": side * factor,
    }  # fmt: skip
    schedule = settings.applied(own)
    schedule_from_config(schedule, min(50, int(schedule.get("num_train_timesteps", 1000))))  # that it gives timesteps
    return Plan(name, schedule, settings.native // factor if settings.native else side, ReadAs(settings.given(), said))


def assembled(
    planned: Plan, device: torch.device, recommended: Recommended | None = None, *, unet: Any, vae: Any,
    text_encoder: Any, tokenizer: Any,
) -> UNetBackbone:  # fmt: skip
    """The backbone of loaded parts.

    Raises:
        BadModel: when a weight is no number, or the tokenizer knows tokens that the text encoder does not.
    """
    for part, module in (("unet", unet), ("vae", vae), ("text_encoder", text_encoder)):
        for key, weight in module.named_parameters():
            # one pass without a copy: a maximum is no number where one of them is none
            if weight.numel() and not all(torch.isfinite(edge) for edge in torch.aminmax(weight.detach())):
                raise BadModel(
                    f"the {part} of {planned.name!r} holds weights that are no numbers, as in {key}: fetch it again."
                )
    known, rows = len(tokenizer), text_encoder.config.vocab_size
    if known > rows:
        raise BadModel(
            f"the tokenizer of {planned.name!r} knows {known} tokens and its text encoder {rows}: its parts do not "
            "belong together (a textual inversion whose vectors were not saved?)."
        )
    unet.register_to_config(sample_size=planned.side)
    return UNetBackbone(
        planned.name,
        unet=unet.to(device),
        vae=vae.to(device),
        text_encoder=text_encoder.to(device),
        tokenizer=tokenizer,
        schedule_config=planned.schedule,
        device=device,
        recommended=recommended,
        read_as=planned.read_as,
    )


def vae_dtype(dtype: torch.dtype, config: Mapping[str, Any]) -> torch.dtype:
    """The autoencoder's precision: float32 for those that say they overflow in half precision."""
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", True) else dtype


def one_line(error: BaseException) -> str:
    """The first line of a library's error, at most 200 characters of it."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
