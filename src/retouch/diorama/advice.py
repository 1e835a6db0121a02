"""What the embedded model tells its user: unknown words, foreign pictures, and a caption for a picture of its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.backbone.quiet import quietly
from retouch.diorama.captions import caption, nearest_known, parse
from retouch.diorama.scene import ACCESSORIES, CHOICES, SUBJECTS, Scene, has, random_scene
from retouch.weights import plain

WEIGHTS = Path(__file__).parent / "weights"
_FAMILIAR = 0.98  # the judge's confidence; see docs/diorama.md for how it was measured


@cache
def _clip() -> tuple[Any, Any]:
    from transformers.models.clip.modeling_clip import CLIPModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    with quietly():
        model = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32).eval()
    return model, CLIPTokenizer.from_pretrained(WEIGHTS / "clip")


@torch.no_grad()
def _image_embed(image: Image.Image) -> Tensor:
    model, _ = _clip()
    size = model.config.vision_config.image_size
    small = image.convert("RGB").resize((2 * size, 2 * size), Image.Resampling.BICUBIC).reduce(2)
    pixels = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).reshape(1, size, size, 3)
    pixels = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    return functional.normalize(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output), dim=-1)


@torch.no_grad()
def _text_embeds(texts: list[str]) -> Tensor:
    model, tokenizer = _clip()
    ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]
    return functional.normalize(model.text_projection(model.text_model(input_ids=ids).pooler_output), dim=-1)


@cache
def _best_caption(pixels: bytes, size: tuple[int, int]) -> str:
    """The full caption nearest to the picture in CLIP's space, by coordinate ascent from every subject."""
    image = _image_embed(Image.frombytes("RGB", size, pixels))
    scenes = [random_scene(0, subject=subject, accessory=None, style="photo") for subject in SUBJECTS]
    for _ in range(3):
        for attribute in ("place", "colour", "style", "pose", "accessory", "variant"):
            scenes = [_better(scene, attribute, image) for scene in scenes]
        ranked = (_text_embeds([caption(scene) for scene in scenes]) @ image.T).squeeze(1)
        kept = ranked.argsort(descending=True)[: max(3, len(scenes) // 2)]
        scenes = [scenes[int(i)] for i in kept]
    return caption(scenes[0])


def _better(scene: Scene, attribute: str, image: Tensor) -> Scene:
    if not has(attribute, scene.subject):
        return scene
    values: tuple[str | None, ...] = (*ACCESSORIES, None) if attribute == "accessory" else CHOICES[attribute]
    options = [scene.replace(**{attribute: value}) for value in values]
    return options[int((_text_embeds([caption(option) for option in options]) @ image.T).argmax())]


def describe(image: Image.Image) -> str:
    """A caption of the picture in the words of the grammar, chosen by the embedded CLIP."""
    rgb = image.convert("RGB")
    return _best_caption(rgb.tobytes(), rgb.size)


def unknown_word_notes(*prompts: str, negative: str = "") -> list[str]:
    """A sentence for every word outside the vocabulary, with the nearest known words, and for contradictions.

    Args:
        negative: the negative prompt, which may name what goes together in no picture.
    """
    read = [parse(plain(prompt)) for prompt in prompts]
    words = dict.fromkeys(word for parsed in (*read, parse(plain(negative))) for word in parsed.unknown)
    sentences = [
        f"Diorama does not know the word {word!r}; near it are: {', '.join(nearest_known(word))}." for word in words
    ]
    for prompt, parsed in zip(prompts, read, strict=True):
        if parsed.left_out:
            some = ", ".join(map(repr, parsed.left_out))
            sentences.append(f"Diorama knows one subject and one colour to a picture; {prompt!r} adds {some}.")
    return sentences


def familiarity(image: Image.Image) -> float:
    """How sure the judge is of what it sees, 0..1: the geometric mean over the attributes.

    It learnt on paintings only, and wavers before anything else.
    """
    from math import exp, log

    from retouch.diorama.judge import load_judge

    seen = load_judge().probabilities([image])[0]
    return exp(sum(log(max(*chances.values(), 1e-6)) for chances in seen.values()) / len(seen))


def advise(image: Image.Image, source: str, target: str, negative: str = "") -> list[str]:
    """What a user should hear before an edit: unknown words, and whether this looks like a photograph."""
    sentences = unknown_word_notes(source, target, negative=negative)
    if familiarity(image) < _FAMILIAR:
        sentences.append(
            "this picture does not look like Diorama's painted world, the only thing the embedded model knows; for a "
            "photograph name a real model, for instance --model path/to/stable-diffusion or --model owner/model."
        )
    return sentences
