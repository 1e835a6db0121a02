"""Checkpoints: everything a run needs to go on, in one safetensors file that is replaced in one piece."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from retouch.errors import BadParameter


def save(path: Path, groups: dict[str, dict[str, Tensor]], step: int, recipe: dict[str, Any]) -> None:
    """Writes the groups' tensors as ``group.name``, the step and the recipe; an interruption leaves the old file."""
    tensors = {
        f"{group}.{name}": t.detach().contiguous() for group, named in groups.items() for name, t in named.items()
    }
    tensors["step"] = torch.tensor(step)
    unfinished = path.with_name(f"{path.name}.tmp")
    save_file(tensors, unfinished, metadata={"recipe": json.dumps(recipe)})
    os.replace(unfinished, path)


def load(path: Path, recipe: dict[str, Any]) -> tuple[dict[str, dict[str, Tensor]], int]:
    """Reads a checkpoint back: the groups and the step.

    Raises:
        BadParameter: if it was made with another recipe. Only ``steps`` may differ, and only until the decay began.
    """
    with safe_open(path, framework="pt") as file:
        kept = json.loads((file.metadata() or {}).get("recipe", "null")) or recipe
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    step = int(tensors.pop("step"))
    other = sorted(name for name in recipe if kept.get(name) != recipe[name] and name not in _FREE)
    if other:
        raise BadParameter(f"{path} was made with another {', '.join(other)}; remove it to start again.")
    if kept["steps"] != recipe["steps"] and step > (1 - kept["decay"]) * min(kept["steps"], recipe["steps"]):
        raise BadParameter(f"{path} is in its last phase, too late for other steps; keep steps = {kept['steps']}.")
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    return groups, step


_FREE = ("steps", "save_every", "show_every", "measure_every", "compile")
"""What may change from run to run: it does not change the weights, or is looked at on its own."""
