"""What a safetensors file holds, by its header alone: names, shapes and remarks, not a single weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retouch.backbone.formats import unreadable
from retouch.errors import BadModel


@dataclass(frozen=True)
class Header:
    """A file's tensors and remarks.

    Attributes:
        shapes: by the tensor's name.
        dtypes: as safetensors writes them (F32, BF16, U8, …), by name.
        metadata: what its maker wrote beside them.
        written: the names that the file has for tensors which have another one here.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]
    written: Mapping[str, str] = field(default_factory=dict)

    def has(self, *beginnings: str) -> bool:
        """Whether a tensor's name begins with one of these."""
        return any(name.startswith(beginnings) for name in self.shapes)

    def mentions(self, *parts: str) -> bool:
        """Whether a tensor's name contains one of these."""
        return any(part in name for name in self.shapes for part in parts)


def read_header(what: str, path: Path) -> Header:
    """The header of the file that a sentence calls ``what``.

    Raises:
        BadModel: when it is no whole safetensors file, or its weights are quantised.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            header = Header(
                {name: tuple(part.get_shape()) for name, part in slices.items()},
                {name: part.get_dtype() for name, part in slices.items()},
                dict(file.metadata() or {}),
            )
    except (SafetensorError, OSError, ValueError) as error:
        raise BadModel(f"{what} could not be read: {unreadable(path)}") from error
    if any(kind in ("U8", "I8") for kind in header.dtypes.values()):
        raise BadModel(f"{what} could not be read: its weights are quantised; give it in float16 or float32.")
    return header
