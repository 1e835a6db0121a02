"""A fit's low-rank adapters as a LoRA file that diffusers, and what reads its files, loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from retouch.errors import BadFit
from retouch.fit.tensors import write_tensors

_ADAPTER = ".retouch."


def lora_tensors(network: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """Adapters by the names of diffusers' LoRA files: ``unet.….to_q.lora_A.weight``; alpha is the rank.

    Raises:
        BadFit: where there are none: nothing was fitted, or whole weights were.
    """
    if not rank or not network:
        raise BadFit(
            "the fit holds no low-rank adapters, and no LoRA can be made of it: fit the network with adapter_rank, for "
            "instance 8."
        )
    return {f"unet.{name.replace(_ADAPTER, '.')}": value.cpu() for name, value in network.items()}


def write_lora(
    path: Path, network: Mapping[str, Tensor], rank: int, recipe: Mapping[str, Any], *, replace: bool
) -> None:
    """Writes them as one safetensors file, with the fit's recipe in its header.

    Raises:
        OutputExists: when there is a file and it may not be replaced.
        BadFit: as :func:`lora_tensors`, and when the place cannot be written to.
    """
    metadata = {"format": "pt", "retouch_recipe": json.dumps(recipe)}
    write_tensors(path, lora_tensors(network, rank), metadata, replace=replace)
