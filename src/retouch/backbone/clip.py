"""CLIP (Radford et al. 2021) as scores and guidance use it: pictures and sentences in one space."""

from __future__ import annotations

import json
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.fingerprint import fingerprint
from retouch.backbone.load import EMBEDDED, EMBEDDED_MODELS, helper_folder
from retouch.backbone.protocol import Backbone
from retouch.backbone.quiet import quietly
from retouch.backbone.shipped import tokenizers_of
from retouch.errors import BadModel

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's
_FAMILIES = {
    768: "openai/clip-vit-large-patch14",
    1024: "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    768 + 1280: "openai/clip-vit-large-patch14",
}
"""The CLIP models whose text encoders Stable Diffusion 1.x, 2.x and SDXL use (of its two the small one), by width."""


class Clip:
    """A CLIP model.

    Args:
        name: ``"diorama"`` for the embedded one, a folder with a transformers CLIP model, or a hub name such as
            ``openai/clip-vit-large-patch14``.

    Raises:
        BadModel: when there is no such model, once it is asked.
    """

    def __init__(self, name: str | PathLike[str] = EMBEDDED, device: torch.device | None = None) -> None:
        self.name, self.device = fspath(name), device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> tuple[Any, Any, dict[str, Any]]:
        from transformers.models.clip.modeling_clip import CLIPModel
        from transformers.models.clip.tokenization_clip import CLIPTokenizer

        try:
            place = helper_folder(self.name, "clip")
            with quietly():
                model = CLIPModel.from_pretrained(place, dtype=torch.float32, use_safetensors=True).eval()
            tokenizer = CLIPTokenizer.from_pretrained(place)
            path = place / "preprocessor_config.json"
            preprocessing = json.loads(path.read_text()) if path.exists() else {}
        except Exception as error:  # whatever the hub or the files raise, the remedy is the same
            raise BadModel(
                f"the CLIP model {self.name!r} could not be loaded ({type(error).__name__}): give a folder with a "
                "transformers CLIP model or a hub name."
            ) from error
        return model.to(self.device).requires_grad_(False), tokenizer, preprocessing

    @cached_property
    def fingerprint(self) -> str:
        """What names these weights, see :func:`retouch.backbone.fingerprint.fingerprint`."""
        return fingerprint({"clip": self._loaded[0].state_dict()})

    @property
    def side(self) -> int:
        """The side in pixels of the pictures it sees."""
        return int(self._loaded[0].config.vision_config.image_size)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The model's own preprocessor config; empty where it has none."""
        return self._loaded[2]

    @property
    def scale(self) -> float:
        """What it was trained to multiply cosines by: differences of scaled cosines are nats between sentences."""
        return float(self._loaded[0].logit_scale.exp())

    def look(self, images: Tensor) -> Tensor:
        """What pictures show: [B, dim] of length 1. Gradients flow to ``images``.

        Args:
            images: [B, 3, h, w] in 0..1; other sizes than :attr:`side` are resampled.
        """
        model, _, config = self._loaded
        if images.shape[-2:] != (self.side, self.side):
            images = functional.interpolate(images, (self.side, self.side), mode="bicubic", antialias=True)
        mean, std = (
            torch.tensor(config.get(key, usual)).view(3, 1, 1).to(images)
            for key, usual in (("image_mean", _MEAN), ("image_std", _STD))
        )
        pooled = model.vision_model(pixel_values=((images - mean) / std).to(self.device)).pooler_output
        return functional.normalize(model.visual_projection(pooled), dim=-1)

    @torch.no_grad()
    def read(self, *sentences: str) -> Tensor:
        """What sentences say: [sentences, dim] of length 1; too long ones are cut off."""
        model, tokenizer, _ = self._loaded
        encoded = tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt").to(self.device)
        pooled = model.text_model(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).pooler_output
        return functional.normalize(model.text_projection(pooled), dim=-1)


def clip_without_values(width: int) -> Clip:
    """A CLIP of the size that goes with text embeddings of this width; whoever calls is without values."""
    from transformers.models.clip.configuration_clip import CLIPConfig
    from transformers.models.clip.modeling_clip import CLIPModel

    huge = width == 1024  # ViT-H/14, else ViT-L/14
    text = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    small = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    sight = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16}
    less = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    dim, eyes = (1024, sight) if huge else (768, less)
    config = CLIPConfig(
        text_config={**(text if huge else small), "projection_dim": dim},
        vision_config={**eyes, "patch_size": 14, "image_size": 224, "projection_dim": dim}, projection_dim=dim,
    )  # fmt: skip
    clip = Clip("without values")
    made = CLIPModel(config).eval().requires_grad_(False)
    vars(clip)["_loaded"] = (made, tokenizers_of("sd1")["tokenizer"], {})
    return clip


def clip_for(model: Backbone, name: str = "auto") -> Clip:
    """The CLIP model called ``name``, or the one of the checkpoint's family.

    Raises:
        BadModel: for "auto" where the checkpoint is of no known family.
    """
    if isinstance(own := getattr(model, "clip", None), Clip):  # of a model without values
        return own
    if name != "auto":
        return Clip(name, model.device)
    if model.name in EMBEDDED_MODELS:
        return Clip(EMBEDDED, model.device)
    width = model.text_width
    if width not in _FAMILIES:
        raise BadModel(
            f"{model.name!r} has a text encoder of no known CLIP model: name one, for instance "
            "clip=openai/clip-vit-large-patch14."
        )
    return Clip(_FAMILIES[width], model.device)
