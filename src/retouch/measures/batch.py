"""A batch of edits as the measures see it: pictures of one size as tensors, with masks and prompts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.errors import BadPicture


@dataclass(frozen=True, eq=False)
class Batch:
    """Edits of pictures of one size.

    Args:
        inputs: the pictures that were edited, [B, 3, H, W] float32 in 0..1.
        edits: what came out, of the same shape.
        masks: [B, 1, H, W] of 0 and 1, 1 where the edit may change things; None where nothing says.
        sources: what the inputs show; None where nothing says.
        targets: what the edits should show; "" where nothing says.

    Raises:
        BadPicture: when the shapes and lengths do not go together.
    """

    inputs: Tensor
    edits: Tensor
    masks: Tensor | None
    sources: Sequence[str | None]
    targets: Sequence[str]
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shape = tuple(self.inputs.shape)
        masks = shape if self.masks is None else (self.masks.shape[0], 3, *self.masks.shape[2:])
        if len(shape) != 4 or shape[1] != 3 or tuple(self.edits.shape) != shape or tuple(masks) != shape:
            found = [tuple(plane.shape) for plane in (self.inputs, self.edits, self.masks) if plane is not None]
            raise BadPicture(f"a batch of {' and '.join(map(str, found))} was given, expected pictures of one size.")
        if not len(self.sources) == len(self.targets) == shape[0]:
            raise BadPicture(
                f"{shape[0]} pictures with {len(self.sources)} sources and {len(self.targets)} targets were given, "
                "expected one of each."
            )

    @classmethod
    def from_images(
        cls,
        inputs: Sequence[Image.Image],
        edits: Sequence[Image.Image],
        targets: Sequence[str],
        sources: Sequence[str | None] | None = None,
        masks: Sequence[Image.Image | None] | None = None,
        device: torch.device | None = None,
    ) -> Batch:
        """From pictures in any mode; masks are white where the edit may change things.

        Args:
            inputs, edits: the pictures before and after, one of each for every edit.
            targets, sources: the prompts; sources may be missing.
            masks: for all edits or for none.
            device: where the tensors are; None for the CPU.

        Raises:
            BadPicture: when they are not of one size, or only some have a mask.
        """
        there = [mask for mask in masks or () if mask is not None]
        if there and len(there) != len(inputs):
            raise BadPicture("some pictures of a batch have a mask and some have none: measure them apart.")
        sizes = {image.size for image in (*inputs, *edits, *there)}
        if len(sizes) != 1:
            found = ", ".join(f"{width} x {height}" for width, height in sorted(sizes)) or "none"
            raise BadPicture(f"a batch wants pictures of one size, and these were given: {found}.")
        return cls(
            torch.stack([picture_tensor(image) for image in inputs]).to(device),
            torch.stack([picture_tensor(image) for image in edits]).to(device),
            torch.stack([mask_tensor(mask) for mask in there]).to(device) if there else None,
            list(sources) if sources is not None else [None] * len(inputs),
            list(targets),
        )

    def __len__(self) -> int:
        return self.inputs.shape[0]

    @property
    def inside(self) -> Tensor:
        """The masks of a batch that has some."""
        if self.masks is None:
            raise BadPicture(
                "a batch without masks was given to a measure of a region: give one mask for each picture."
            )
        return self.masks

    @property
    def outside(self) -> Tensor:
        """1 where nothing should change, of a batch that has masks."""
        return 1 - self.inside

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` gives, computed the first time ``key`` is asked for: several measures look at one feature.

        Args:
            key: of the feature.
            make: computes it.
        """
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def picture_tensor(image: Image.Image) -> Tensor:
    """[3, h, w] float32 in 0..1."""
    values = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    return values.contiguous().to(torch.float32).div_(255)  # bytes are turned faster than numbers


def mask_tensor(mask: Image.Image) -> Tensor:
    """[1, h, w] float32 of 0 and 1: 1 where the mask is nearer to white."""
    return torch.from_numpy((np.array(mask.convert("L")) > 127).astype(np.float32))[None]


def to_image(picture: Tensor) -> Image.Image:
    """RGB of 8 bits from [3, h, w] in 0..1; what lies outside is clipped."""
    values = (picture.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy())
