"""The model card of Diorama's weights: what they are, what they were trained on, and the measured figures."""

from __future__ import annotations

from collections.abc import Mapping

from retouch.diorama.scene import CHOICES, STYLES


def model_card(figures: Mapping[str, float]) -> str:
    """The README of the weights: what they are, what they were trained on, and the measured figures."""

    def table(prefixes: Mapping[str, str]) -> str:
        head = ["", *CHOICES]
        rows = [
            [title, *(_shown(figures.get(f"{prefix}.{attribute}")) for attribute in CHOICES)]
            for prefix, title in prefixes.items()
            if any(name.startswith(f"{prefix}.") for name in figures)
        ]
        lines = [head, ["---"] * len(head), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    decibels = {
        "autoencoder.psnr": "autoencoder, all pictures",
        **{f"autoencoder.psnr.{style}": f"autoencoder, {style}" for style in STYLES},
        "inversion.psnr": "DDIM inversion and back (50 steps, guidance 1), against the autoencoder's own result",
    }
    lines = [f"| {title} | {figures[name]:.1f} dB |" for name, title in decibels.items() if name in figures]
    if "clip.of_32" in figures:
        lines.append(f"| CLIP: the right caption among 32 | {100 * figures['clip.of_32']:.1f} % |")
    if "segmenter.iou" in figures:
        lines.append(f"| segmenter: mean IoU from one click inside the subject | {figures['segmenter.iou']:.3f} |")
        lines.append(f"| segmenter: lowest decile of that | {figures['segmenter.iou.worst_tenth']:.3f} |")
    by_attribute = {
        "text_to_image": "text to image (50 steps, guidance 5)",
        "clip.swapped": "CLIP, against the caption with this attribute changed",
        "judge.paintings": "the judge on paintings",
        "judge.autoencoded": "the judge on decoded pictures",
    }
    measured = "\n".join(["| part | figure |", "| --- | --- |", *lines])
    return _CARD.format(measured=measured, attributes=table(by_attribute))


def _shown(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


_CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---
# Diorama

A small latent diffusion model of a painted world, in Stable Diffusion's own layout: eleven subjects, eight colours, six
places, three poses, two accessories, three styles, at 128x128 pixels. It exists so that every editing method can be
run in seconds on a CPU, and judged against the truth: a scene painted with one attribute changed *is* the right edit.

- `model_index.json`, `unet`, `vae`, `text_encoder`, `tokenizer`, `scheduler`: a `StableDiffusionPipeline` (noise
  prediction, scaled-linear schedule, eight pixels to a latent cell, 32 tokens).
- `clip`: the CLIP model whose text half is the text encoder.
- `judge`: a network that names every attribute of a picture. It was trained on paintings alone and shares nothing with
  the other parts.
- `segmenter`: a `SamModel` that marks the subject from clicks or a box; it knows the painted world alone.

Weights are stored in half precision.

## Training

From nothing but pictures and captions of the painter that comes with the package, by `retouch diorama train`: no other
picture, text or model went in, so nobody's data is in it.

## Measured

On held-out scenes, by `retouch diorama evaluate`.

{measured}

How often the attribute is right:

{attributes}

## Limits

It knows the words of its captions and nothing else, one subject to a picture, and draws no people. It is a testbed for
methods, not a source of pictures.
"""
