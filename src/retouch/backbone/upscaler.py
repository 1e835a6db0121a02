"""A model that enlarges pictures (Swin2SR, Conde et al. 2022): for what an edit draws anew in a large picture."""

from __future__ import annotations

from functools import cached_property
from os import PathLike, fspath

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.load import helper_folder
from retouch.backbone.quiet import quietly
from retouch.errors import BadModel


class Upscaler:
    """An upscaler.

    Args:
        name: a folder with a transformers Swin2SR model, or a hub name such as
            ``caidas/swin2SR-classical-sr-x4-64``.

    Raises:
        BadModel: when there is no such model.
    """

    def __init__(self, name: str | PathLike[str], device: torch.device | None = None) -> None:
        from transformers.models.swin2sr.modeling_swin2sr import Swin2SRForImageSuperResolution

        self.name, self.device = fspath(name), device or torch.device("cpu")
        try:
            with quietly():
                place = helper_folder(self.name, "upscaler")
                model, about = Swin2SRForImageSuperResolution.from_pretrained(
                    place, dtype=torch.float32, use_safetensors=True, output_loading_info=True
                )
            if about["missing_keys"]:  # a folder of something else would enlarge with random weights
                raise BadModel("weights are missing")
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the upscaler {self.name!r} could not be loaded ({type(error).__name__}): give a folder with a "
                "transformers Swin2SR model, or a hub name, for instance caidas/swin2SR-classical-sr-x4-64."
            ) from error
        self._model = model.eval().to(self.device).requires_grad_(False)

    @cached_property
    def fingerprint(self) -> str:
        """What names these weights, see :func:`retouch.backbone.fingerprint.fingerprint`."""
        return fingerprint({"upscaler": self._model.state_dict()})

    @property
    def scale(self) -> int:
        """By how much it enlarges."""
        return int(self._model.config.upscale)

    @torch.no_grad()
    def enlarged(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """A picture [h, w, 3] in 0..255, ``scale`` times as large."""
        height, width = picture.shape[:2]
        window = int(self._model.config.window_size)
        values = torch.from_numpy(picture).permute(2, 0, 1)[None].to(self.device) / 255
        padded = functional.pad(values, (0, -width % window, 0, -height % window), mode="replicate")
        found = self._model(padded).reconstruction[0, :, : height * self.scale, : width * self.scale]
        return np.ascontiguousarray((found.clamp(0, 1) * 255).permute(1, 2, 0).cpu().numpy())
