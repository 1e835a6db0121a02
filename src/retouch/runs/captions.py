"""Source prompts for suites that have none: an image-to-text model says what a picture shows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from PIL import Image

from retouch.backbone.quiet import quietly
from retouch.errors import BadModel


class Captioner:
    """An image-to-text model of transformers.

    Args:
        name: a folder or a hub name, such as ``Salesforce/blip-image-captioning-base``.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str, device: torch.device | None = None) -> None:
        self.name, self.device = name, device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        try:
            with quietly():
                processor = AutoProcessor.from_pretrained(self.name, use_fast=False)
                model = AutoModelForImageTextToText.from_pretrained(self.name, use_safetensors=True)
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the captioner {self.name!r} could not be loaded ({type(error).__name__}): give a folder with a "
                "transformers image-to-text model, or a hub name such as Salesforce/blip-image-captioning-base."
            ) from error
        return processor, model.eval().to(self.device).requires_grad_(False)

    @torch.no_grad()
    def __call__(self, image: Image.Image) -> str:
        """What the picture shows, in at most 40 tokens; the same picture gives the same words."""
        processor, model = self._loaded
        inputs = processor(images=image.convert("RGB"), return_tensors="pt").to(self.device)
        tokens = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        text: str = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
        if not text:
            raise BadModel(f"the captioner {self.name!r} found no words for a picture: name another.")
        return text
