"""How good Diorama is: every part measured on held-out scenes, whose truth is known exactly; and its model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.load import EMBEDDED_FOLDER, load
from retouch.backbone.protocol import Backbone
from retouch.diorama.captions import caption
from retouch.diorama.judge import Judge, load_judge
from retouch.diorama.painter import paint_array
from retouch.diorama.scene import CHOICES, STYLES, Scene, attributes, has, random_scene
from retouch.errors import BadParameter
from retouch.masks.segmenter import Segmenter
from retouch.parts.inversions import ddim_inversion

PARTS = ("autoencoder", "clip", "judge", "segmenter", "text_to_image", "inversion")
STEPS, GUIDANCE_SCALE = 50, 5.0
HELD_OUT_FROM = 20_000_000
"""The first scene's seed: training starts far above it, the training's own checks lie below."""
_BATCH = 16

Progress = Callable[[int, int], None]
"""Called with the work done and the work there is."""


def evaluate(
    weights: Path | None = None,
    scenes: int = 256,
    seed: int = 0,
    parts: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measures a trained folder.

    Args:
        weights: as ``retouch.diorama.train`` assembles it; None measures the embedded model.
        scenes: how many held-out scenes, at least 32.
        seed: which ones, and the noise the pictures are drawn from.
        parts: a selection of :data:`PARTS`; None takes all.

    Returns:
        figures by dotted names. PSNR is in dB, everything else a fraction of right answers in 0..1:

        - ``autoencoder.psnr``, and by style: decoded pictures against the paintings;
        - ``clip.of_32``: the right caption is the best of 32; ``clip.swapped.ATTRIBUTE``: it beats the same caption
          with that attribute changed (chance: 0.5);
        - ``judge.paintings.ATTRIBUTE``, ``judge.autoencoded.ATTRIBUTE``: the judge is right;
        - ``segmenter.iou``, ``segmenter.iou.worst_tenth``: mean and lowest decile of the IoU with the painter's mask,
          from one click inside the subject;
        - ``text_to_image.ATTRIBUTE``: the judge sees in a generated picture what its full caption says (50 steps,
          guidance 5);
        - ``inversion.psnr``: DDIM inversion and reconstruction with the caption at guidance 1, against the
          autoencoder's own reconstruction.

    Raises:
        BadParameter: for an unknown part, or fewer than 32 scenes.
        BadModel: if the folder is not complete.
    """
    chosen = tuple(parts or PARTS)
    for part in chosen:
        if part not in PARTS:
            raise BadParameter(f"there is no part {part!r}, expected one of {', '.join(PARTS)}.")
    if scenes < 32:
        raise BadParameter(f"scenes is {scenes}, expected at least 32.")
    folder = weights or EMBEDDED_FOLDER
    model, judge = load(str(folder)), load_judge(folder / "judge")
    shown = [random_scene(HELD_OUT_FROM + 100_000 * (seed % 10_000) + i) for i in range(scenes)]
    painted = [paint_array(scene) for scene in shown]
    pictures = np.stack([picture for picture, _ in painted])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1  # [N, 3, 128, 128]

    work = {"autoencoder": 1, "clip": 1, "judge": 2, "segmenter": 1, "text_to_image": 2 * STEPS, "inversion": 2 * STEPS}
    total, done = scenes * sum(work[part] for part in chosen), 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    figures: dict[str, float] = {}
    with torch.no_grad():
        if {"autoencoder", "judge", "inversion"} & set(chosen):
            latents = torch.cat([model.encode(some) for some in images.split(_BATCH)])
            decoded = torch.cat([model.decode(some) for some in latents.split(_BATCH)]).cpu()
        if "autoencoder" in chosen:
            quality = psnr(decoded, images)
            figures["autoencoder.psnr"] = float(quality.mean())
            for style in STYLES:
                rows = [i for i, scene in enumerate(shown) if scene.style == style]
                if rows:
                    figures[f"autoencoder.psnr.{style}"] = float(quality[rows].mean())
            tick(scenes)
        if "clip" in chosen:
            figures |= _clip(folder, shown, torch.from_numpy(pictures))
            tick(scenes)
        if "judge" in chosen:
            figures |= agreement("judge.paintings", judge, shown, pictures)
            tick(scenes)
            figures |= agreement("judge.autoencoded", judge, shown, _pictures(decoded))
            tick(scenes)
        if "segmenter" in chosen:
            figures |= _segmenter(folder, pictures, [mask for _, mask in painted], seed)
            tick(scenes)
        if "text_to_image" in chosen:
            drawn = draw(model, [caption(scene, direction=True) for scene in shown], seed, tick)
            figures |= agreement("text_to_image", judge, shown, drawn)
        if "inversion" in chosen:
            texts = [caption(scene) for scene in shown]
            returned = torch.cat(list(_there_and_back(model, latents, texts, tick))).cpu()
            figures["inversion.psnr"] = float(psnr(returned, decoded).mean())
    return figures


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """10 log10(4 / mean squared difference) in dB, [B], of images [B, 3, H, W] in -1..1."""
    return 10 * torch.log10(4 / (images - reference).square().mean((1, 2, 3)))


def agreement(
    name: str, judge: Judge, scenes: Sequence[Scene], pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> dict[str, float]:
    """The fraction of pictures in which the judge sees the scene's value, ``NAME.ATTRIBUTE`` for every attribute.

    An attribute counts only where the subject can have it; a missing accessory has to be seen as missing.
    """
    seen, figures = judge.look(pictures), {}
    for attribute in CHOICES:
        right = [
            saw[attribute] == attributes(scene)[attribute]
            for saw, scene in zip(seen, scenes, strict=True)
            if has(attribute, scene.subject)
        ]
        if right:
            figures[f"{name}.{attribute}"] = float(np.mean(right))
    return figures


@torch.no_grad()
def draw(
    model: Backbone, texts: Sequence[str], seed: int, tick: Callable[[int], None] | None = None
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Pictures from texts by DDIM with classifier-free guidance, uint8 [N, H, W, 3]."""
    schedule, drawn = model.schedule(STEPS), []
    blank = torch.zeros(1, 3, model.native_side, model.native_side)
    side, channels = model.native_side // model.vae_factor, model.encode(blank).shape[1]
    random = torch.Generator().manual_seed(seed)
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        latents = torch.randn(len(some), channels, side, side, generator=random).to(model.device)
        embeds = model.condition([*([""] * len(some)), *some])
        for index in reversed(range(STEPS)):
            null, told = model.predict_noise(latents.repeat(2, 1, 1, 1), schedule.timesteps[index], embeds).chunk(2)
            latents = schedule.step_down(latents, null + GUIDANCE_SCALE * (told - null), index)
            if tick:
                tick(2 * len(some))
        drawn.append(model.decode(latents).cpu())
    return _pictures(torch.cat(drawn))


def _there_and_back(
    model: Backbone, latents: Tensor, texts: Sequence[str], tick: Callable[[int], None]
) -> Iterator[Tensor]:
    schedule = model.schedule(STEPS)
    for start in range(0, len(texts), _BATCH):
        some, embeds = latents[start : start + _BATCH], model.condition(texts[start : start + _BATCH])
        count = len(some)
        z = ddim_inversion(model, some, embeds, schedule)[-1]
        tick(STEPS * count)
        for index in reversed(range(STEPS)):
            z = schedule.step_down(z, model.predict_noise(z, schedule.timesteps[index], embeds), index)
            tick(count)
        yield model.decode(z)


def _clip(folder: Path, scenes: list[Scene], pictures: Tensor) -> dict[str, float]:
    from transformers.models.clip.modeling_clip import CLIPModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from retouch.diorama.train.clip import Readout, agreement

    model = Readout(CLIPModel.from_pretrained(folder / "clip", dtype=torch.float32)).eval()
    figures = agreement(model, CLIPTokenizer.from_pretrained(folder / "clip"), scenes, pictures)
    return {f"clip.{name if name == 'of_32' else f'swapped.{name}'}": value for name, value in figures.items()}


def _segmenter(
    folder: Path, pictures: Iterable[np.ndarray], masks: Iterable[np.ndarray], seed: int
) -> dict[str, float]:
    segmenter, random, found = Segmenter(folder / "segmenter"), np.random.default_rng(seed), []
    for picture, mask in zip(pictures, masks, strict=True):
        y, x = random.choice(np.argwhere(mask > 230)) + 0.5
        marked = np.asarray(segmenter.mask(Image.fromarray(picture), points=[(float(x), float(y))])) > 127
        found.append((marked & (mask > 127)).sum() / (marked | (mask > 127)).sum())
    return {"segmenter.iou": float(np.mean(found)), "segmenter.iou.worst_tenth": float(np.quantile(found, 0.1))}


def _pictures(images: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


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
