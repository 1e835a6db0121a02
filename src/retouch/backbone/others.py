"""Models of other kinds in diffusers' layout, by what they are made of and by the pipeline that they are for."""

from __future__ import annotations

import re
from collections.abc import Set

_PIPELINES = (
    (r"^StableDiffusion3", "a Stable Diffusion 3 model"),
    (r"^Flux", "a FLUX model"),
    (r"^PixArt", "a PixArt model"),
    (r"^QwenImage", "a Qwen-Image model"),
    (r"^Kolors", "a Kolors model, whose texts are read by ChatGLM"),
    (r"^Hunyuan", "a Hunyuan model"),
    (r"^AuraFlow", "an AuraFlow model"),
    (r"^Lumina", "a Lumina model"),
    (r"^Sana", "a SANA model"),
    (r"^Chroma", "a Chroma model"),
    (r"^HiDream", "a HiDream model"),
    (r"^(CogView|CogVideo)", "a CogView or CogVideo model"),
    (r"^(StableCascade|Wuerstchen)", "a Stable Cascade or Wuerstchen model"),
    (r"^Kandinsky", "a Kandinsky model"),
    (r"^IF", "a DeepFloyd IF model"),
    (r"UnCLIP", "an unCLIP model, which takes image embeddings"),
    (r"^(StableVideo|TextToVideo|Wan|LTX|Mochi|Cosmos|AnimateDiff)", "a video model"),
    (r"^(AudioLDM|StableAudio|MusicLDM)", "a sound model"),
    (r"LDM3D", "a model of pictures with depth"),
    (r"^AltDiffusion", "an AltDiffusion model, whose texts are read by XLM-R"),
    (r"Upscale", "an upscaler"),
    (r"Depth2Img", "a depth-to-image model"),
    (r"ImageVariation", "a model of image variations"),
    (r"GLIGEN", "a GLIGEN model"),
)
"""What pipelines of diffusers are for, by patterns in the names of their classes."""
_TAKES_ANY = re.compile(r"^(StableDiffusion|LatentConsistency)")


def other_kind(parts: Set[str], pipeline: str) -> str:
    """What kind a model is of that is none of the families'; "" where it may be one of them.

    Args:
        parts: names of its folders.
        pipeline: the class that its ``model_index.json`` names; "" where that is not known.
    """
    for pattern, what in _PIPELINES:
        if re.search(pattern, pipeline):
            return f"{what} ({pipeline})"
    if "transformer" in parts:
        if pipeline:
            return f"a {pipeline}, whose network is a transformer"
        if parts & {"text_encoder_3", "tokenizer_3"}:
            return "a Stable Diffusion 3 model, or one of its kind: its network is a transformer"
        if "text_encoder_2" in parts:
            return "a FLUX model, or one of its kind: its network is a transformer"
        return "a model whose network is a transformer (PixArt, Qwen-Image or one of their kind)"
    if "text_encoder_2" in parts and not parts & {"text_encoder", "tokenizer"}:
        return "an SDXL refiner, which goes on with what a base model began"
    if "prior" in parts or "decoder" in parts:
        return f"a model in several stages{f' ({pipeline})' if pipeline else ''}"
    if "unet" not in parts and pipeline and not _TAKES_ANY.match(pipeline):
        return f"a {pipeline}"
    return ""
