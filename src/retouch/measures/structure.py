"""Structure distance (Tumanyan et al., Splicing ViT Features, 2022): do two pictures have the same layout?"""

from __future__ import annotations

from functools import cached_property
from os import PathLike, fspath
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.load import helper_folder
from retouch.backbone.quiet import quietly
from retouch.errors import BadModel
from retouch.measures.batch import Batch
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.pixels import nan_where
from retouch.measures.regions import covers_all, outside_of

DINO = "facebook/dino-vitb8"
"""The paper's vision transformer: DINO ViT-B/8 (Caron et al. 2021)."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
_SIDE, _LONGEST = 224, 480  # the shorter side, and the longer at most; in proportion for models of another size


class Dino:
    """A vision transformer whose keys tell a picture's structure.

    Args:
        name: a folder with a transformers ViT model, or a hub name.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str | PathLike[str] = DINO, device: torch.device | None = None) -> None:
        self.name, self.device = fspath(name), device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> Any:
        from transformers.models.vit.modeling_vit import ViTModel

        try:
            place = helper_folder(self.name, "dino")
            with quietly():
                model, info = ViTModel.from_pretrained(
                    place, dtype=torch.float32, use_safetensors=True, add_pooling_layer=False, output_loading_info=True
                )
            if info["missing_keys"]:  # transformers would make them up
                raise ValueError(f"{len(info['missing_keys'])} weights are missing")
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the vision transformer {self.name!r}, which the structure distance compares in, could not be loaded "
                f"({type(error).__name__}): give a folder with a transformers ViT model, or connect once so that "
                f"{DINO} can be fetched."
            ) from error
        return model.eval().to(self.device).requires_grad_(False)

    def load(self) -> None:
        """Reads the network from the disk, or fetches it, unless that was done before.

        Raises:
            BadModel: where it cannot be had.
        """
        _ = self._loaded

    @cached_property
    def fingerprint(self) -> str:
        """What names these weights, see :func:`retouch.backbone.fingerprint.fingerprint`."""
        return fingerprint({"dino": self._loaded.state_dict()})

    @torch.no_grad()
    def keys(self, pictures: Tensor) -> Tensor:
        """The keys of the last block's self-attention (layer 11 of ViT-B/8), heads side by side: [B, 1 + patches, D].

        The shorter side is scaled to the model's, 224, without anti-aliasing, as the paper's code does, but the longer
        side to 480 at most; pictures are normalised with ImageNet's mean and deviation.

        Args:
            pictures: [B, 3, H, W], meant to be in 0..1; others are taken as they are.
        """
        model = self._loaded
        side = int(model.config.image_size)
        shorter, longer = side, int(side * max(pictures.shape[-2:]) / min(pictures.shape[-2:]))
        longest = _LONGEST * side // _SIDE
        if longer > longest:
            shorter, longer = int(longest * shorter / longer), longest
        shorter = max(shorter, int(model.config.patch_size))
        size = (shorter, longer) if pictures.shape[-2] <= pictures.shape[-1] else (longer, shorter)
        scaled = functional.interpolate(pictures.to(self.device, torch.float32), size, mode="bilinear")
        mean, std = (torch.tensor(values, device=self.device).view(3, 1, 1) for values in (_MEAN, _STD))
        kept = list[Tensor]()
        # by its own name: where the blocks lie inside the model has changed between versions of transformers
        last = [part for name, part in model.named_modules() if name.rsplit(".", 1)[-1] in ("k_proj", "key")][-1]
        handle = last.register_forward_hook(lambda module, arguments, output: kept.append(output))
        try:
            model(pixel_values=(scaled - mean) / std, interpolate_pos_encoding=True)
        finally:
            handle.remove()
        return kept[0]


def self_similarity(keys: Tensor) -> Tensor:
    """Cosines between the keys of all places, CLS included: [B, T, T] in -1..1 from [B, T, D]."""
    directions = functional.normalize(keys, dim=-1)
    return directions @ directions.transpose(1, 2)


def structure_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of two pictures' self-similarities: 0 (same structure) .. 4; [B] from keys [B, T, D]."""
    return (self_similarity(a) - self_similarity(b)).square().mean((1, 2))


def dino_model(models: Models) -> Dino:
    """The vision transformer that was named, or the published one.

    Raises:
        BadModel: where it cannot be had.
    """
    dino = Dino(models.dino or DINO, models.device)
    dino.load()
    return dino


def _outside(inputs: Tensor, edits: Tensor, masks: Tensor, dino: Dino) -> Tensor:
    """As LPIPS outside: the input is pasted into the edit inside the mask."""
    pasted = outside_of(inputs, edits, masks)
    return nan_where(covers_all(masks), structure_distance(dino.keys(inputs), dino.keys(pasted)))


def _of_inside(batch: Batch, dino: Dino) -> Tensor:
    return _outside(batch.inputs, batch.edits, batch.outside, dino)


def _of_outside(batch: Batch, dino: Dino) -> Tensor:
    return _outside(batch.inputs, batch.edits, batch.inside, dino)


MEASURES = (
    Measure(
        "structure_distance", "structure distance", "", "lower",
        "difference of the self-similarities of DINO's keys (Tumanyan et al. 2022)", "kept", needs=dino_model,
        compute=lambda batch, dino: structure_distance(dino.keys(batch.inputs), dino.keys(batch.edits)),
    ),
    Measure(
        "structure_distance.inside", "structure distance inside the mask", "", "lower",
        "the input pasted over the edit outside the mask", needs=dino_model, masked=True, compute=_of_inside,
    ),
    Measure(
        "structure_distance.outside", "structure distance outside the mask", "", "lower",
        "the input pasted over the edit inside the mask", "kept", needs=dino_model, masked=True, compute=_of_outside,
    ),
)  # fmt: skip
