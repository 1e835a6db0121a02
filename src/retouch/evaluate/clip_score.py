"""CLIP score (Hessel et al. 2021): how well a picture fits a sentence."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.backbone.load import EMBEDDED, EMBEDDED_FOLDER, quietly
from retouch.errors import BadModel

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's


class ClipScorer:
    """A CLIP model that scores pictures against sentences.

    Args:
        name: ``"diorama"`` for the embedded one, a folder with a transformers CLIP model, or a hub name such as
            ``openai/clip-vit-large-patch14``.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str | PathLike[str] = EMBEDDED) -> None:
        self.name = fspath(name)

    @cached_property
    def _loaded(self) -> tuple[Any, Any, dict[str, Any]]:
        from transformers.models.clip.modeling_clip import CLIPModel
        from transformers.models.clip.tokenization_clip import CLIPTokenizer

        place: str | Path = EMBEDDED_FOLDER / "clip" if self.name == EMBEDDED else self.name
        try:
            if not Path(place).is_dir():
                from huggingface_hub import snapshot_download

                place = snapshot_download(
                    str(place), allow_patterns=["*.json", "*.txt", "model*.safetensors"], ignore_patterns=["*fp16*"]
                )
            with quietly():
                model = CLIPModel.from_pretrained(place, dtype=torch.float32, use_safetensors=True).eval()
            tokenizer = CLIPTokenizer.from_pretrained(place)
            path = Path(place) / "preprocessor_config.json"
            preprocessing = json.loads(path.read_text()) if path.exists() else {}
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the CLIP model {self.name!r} could not be loaded ({type(error).__name__}): give a folder with a "
                "transformers CLIP model or a hub name."
            ) from error
        return model, tokenizer, preprocessing

    @torch.no_grad()
    def score(self, image: Image.Image, text: str) -> float:
        """100 · cosine of picture and sentence, -100..100, as benchmarks print it (never clipped at 0).

        The picture's shorter side is scaled to the model's and the middle square cut out, as the model's own
        preprocessing says. Sentences too long for the model are cut off.
        """
        model, tokenizer, _ = self._loaded
        ids = tokenizer([text], padding=True, truncation=True, return_tensors="pt")
        seen = model.visual_projection(model.vision_model(pixel_values=self._pixels(image)).pooler_output)
        said = model.text_projection(
            model.text_model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).pooler_output
        )
        return float(100 * functional.cosine_similarity(seen, said).item())

    def _pixels(self, image: Image.Image) -> Tensor:
        model, _, config = self._loaded
        side = int(model.config.vision_config.image_size)
        scale = side / min(image.size)
        size = (max(side, round(image.width * scale)), max(side, round(image.height * scale)))
        resample = Image.Resampling(config.get("resample", Image.Resampling.BICUBIC))
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        small = image.convert("RGB").resize(size, resample).crop((left, top, left + side, top + side))
        values = np.asarray(small, np.float32) / 255
        mean, std = config.get("image_mean", _MEAN), config.get("image_std", _STD)
        normal = (values - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
        return torch.from_numpy(normal.transpose(2, 0, 1)[None].copy())
