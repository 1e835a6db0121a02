"""What a worker process loads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from retouch.editor import Editor


@dataclass(frozen=True)
class ModelSpec:
    """What a worker loads: the model's name, which every machine can resolve, and a device ("" for the default).

    Attributes:
        read_as: how it is read, as the arguments of ``Editor.from_pretrained`` of these names.
    """

    name: str
    device: str = ""
    threads: int = 1
    read_as: tuple[tuple[str, Any], ...] = ()


@cache
def editor_of(model: ModelSpec) -> Editor:
    """The model loaded, once in a process."""
    import torch

    torch.set_num_threads(model.threads)
    return Editor.from_pretrained(model.name, device=model.device or None, **dict(model.read_as))
