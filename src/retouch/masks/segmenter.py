"""Segment Anything (Kirillov et al. 2023), through transformers: a mask from clicks or a box."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from retouch.backbone.load import EMBEDDED, helper_folder
from retouch.backbone.quiet import quietly
from retouch.errors import BadModel, BadParameter

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # Segment Anything's


class Segmenter:
    """A model in Segment Anything's format.

    Args:
        name: ``"diorama"`` for the embedded one, which knows the painted world alone; a folder, or a hub name such as
            ``facebook/sam-vit-base``.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str | PathLike[str] = EMBEDDED, device: torch.device | None = None) -> None:
        self.name, self.device = fspath(name), device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> tuple[Any, dict[str, Any]]:
        from transformers.models.sam.modeling_sam import SamModel

        try:
            place = helper_folder(self.name, "segmenter")
            with quietly():
                model = SamModel.from_pretrained(place, dtype=torch.float32, use_safetensors=True).eval()
            path = place / "preprocessor_config.json"
            preprocessing = json.loads(path.read_text()) if path.exists() else {}
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the segmenter {self.name!r} could not be loaded ({type(error).__name__}): give a folder with a "
                "transformers SAM model or a hub name such as facebook/sam-vit-base."
            ) from error
        return model.to(self.device).requires_grad_(False), preprocessing

    @torch.no_grad()
    def mask(
        self,
        image: Image.Image,
        *,
        points: Sequence[tuple[float, float]] = (),
        outside: Sequence[tuple[float, float]] = (),
        box: tuple[float, float, float, float] | None = None,
    ) -> Image.Image:
        """The thing that clicks or a box point at: L of the picture's size, 255 inside.

        Args:
            points: (x, y) in pixels, inside it.
            outside: (x, y) in pixels, not part of it.
            box: (left, top, right, bottom) in pixels, around it.

        Raises:
            BadParameter: without a point or box, or where one lies outside the picture.
        """
        if not points and box is None:
            raise BadParameter("there is nothing to segment: give a point inside the thing, or a box around it.")
        for x, y in (*points, *outside, *((box[:2], box[2:]) if box else ())):
            if not (0 <= x <= image.width and 0 <= y <= image.height):
                raise BadParameter(
                    f"the point {x:g},{y:g} lies outside the picture, which is {image.width} x {image.height}."
                )
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            raise BadParameter(f"the box {box} is empty, expected left, top, right, bottom.")
        model, config = self._loaded
        side = int(model.config.vision_config.image_size)
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        scaled = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR), np.float32) / 255
        mean, std = (
            np.asarray(config.get(key, usual), np.float32)
            for key, usual in (("image_mean", _MEAN), ("image_std", _STD))
        )
        pixels = np.zeros((side, side, 3), np.float32)  # the margin is zero after normalising
        pixels[: size[1], : size[0]] = (scaled - mean) / std
        prompts: dict[str, Any] = {}
        clicks = [*points, *outside]
        if clicks:
            labels = [1] * len(points) + [0] * len(outside)
            prompts["input_points"] = torch.tensor([[[(x * scale, y * scale) for x, y in clicks]]])
            prompts["input_labels"] = torch.tensor([[labels]])
        if box is not None:
            prompts["input_boxes"] = torch.tensor([[[value * scale for value in box]]])
        out = model(
            pixel_values=torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.device),
            **{name: value.to(self.device) for name, value in prompts.items()},
        )
        best = int(out.iou_scores[0, 0].argmax())  # one click may mean a part or the whole: the surest mask
        logits = out.pred_masks[0, 0, best][None, None].float()
        large = functional.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
        cut = functional.interpolate(
            large[..., : size[1], : size[0]], (image.height, image.width), mode="bilinear", align_corners=False
        )
        return Image.fromarray(((cut[0, 0] > 0).cpu().numpy() * 255).astype(np.uint8))
