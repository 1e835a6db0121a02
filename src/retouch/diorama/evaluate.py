"""How good Diorama is: every part measured on held-out scenes, whose truth is known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from retouch.measures import pixels
from retouch.parts.inversions import ddim_inversion

PARTS = ("autoencoder", "clip", "judge", "segmenter", "text_to_image", "inversion")
_BESIDE = ("clip", "segmenter")
"""Parts that lie beside a model, and not beside a pixel cascade."""
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
        weights: as ``retouch.diorama.train`` assembles it, a pixel cascade too; None measures the embedded model.
        scenes: how many held-out scenes, at least 32.
        seed: which ones, and the noise the pictures are drawn from.
        parts: a selection of :data:`PARTS`; None takes all that there are.

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
    folder = weights or EMBEDDED_FOLDER
    chosen = tuple(parts or (part for part in PARTS if part not in _BESIDE or (folder / part).is_dir()))
    for part in chosen:
        if part not in PARTS:
            raise BadParameter(f"there is no part {part!r}, expected one of {', '.join(PARTS)}.")
    if scenes < 32:
        raise BadParameter(f"scenes is {scenes}, expected at least 32.")
    held = _HeldOut.of(folder, scenes, seed)
    total, done = scenes * sum(_WORK[part] for part in chosen), 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    figures: dict[str, float] = {}
    with torch.no_grad():
        for part in PARTS:
            if part in chosen:
                figures |= _MEASURED[part](held, tick)
    return figures


@dataclass(frozen=True)
class _HeldOut:
    """The scenes that a folder is measured on, and what the measurements share."""

    folder: Path
    seed: int
    scenes: Sequence[Scene]
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]  # [N, 128, 128, 3]
    masks: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
    model: Backbone
    judge: Judge

    @classmethod
    def of(cls, folder: Path, count: int, seed: int) -> _HeldOut:
        judges = folder if (folder / "judge").is_dir() else EMBEDDED_FOLDER
        model, judge = load(str(folder)), load_judge(judges / "judge")
        scenes = [random_scene(HELD_OUT_FROM + 100_000 * (seed % 10_000) + i) for i in range(count)]
        painted = [paint_array(scene) for scene in scenes]
        pictures = np.stack([picture for picture, _ in painted])
        return cls(folder, seed, scenes, pictures, [mask for _, mask in painted], model, judge)

    @cached_property
    def images(self) -> Tensor:
        """[N, 3, 128, 128] in -1..1."""
        return torch.from_numpy(self.pictures).permute(0, 3, 1, 2).float() / 127.5 - 1

    @cached_property
    def latents(self) -> Tensor:
        return torch.cat([self.model.encode(some) for some in self.images.split(_BATCH)])

    @cached_property
    def decoded(self) -> Tensor:
        return torch.cat([self.model.decode(some) for some in self.latents.split(_BATCH)]).cpu()


Tick = Callable[[int], None]
"""Called with the work just done."""


def _autoencoder(held: _HeldOut, tick: Tick) -> dict[str, float]:
    quality = psnr(held.decoded, held.images)
    figures = {"autoencoder.psnr": float(quality.mean())}
    for style in STYLES:
        rows = [i for i, scene in enumerate(held.scenes) if scene.style == style]
        if rows:
            figures[f"autoencoder.psnr.{style}"] = float(quality[rows].mean())
    tick(len(held.scenes))
    return figures


def _judged(held: _HeldOut, tick: Tick) -> dict[str, float]:
    figures = agreement("judge.paintings", held.judge, held.scenes, held.pictures)
    tick(len(held.scenes))
    figures |= agreement("judge.autoencoded", held.judge, held.scenes, _pictures(held.decoded))
    tick(len(held.scenes))
    return figures


def _text_to_image(held: _HeldOut, tick: Tick) -> dict[str, float]:
    drawn = draw(held.model, [caption(scene, direction=True) for scene in held.scenes], held.seed, tick)
    return agreement("text_to_image", held.judge, held.scenes, drawn)


def _inversion(held: _HeldOut, tick: Tick) -> dict[str, float]:
    texts = [caption(scene) for scene in held.scenes]
    returned = torch.cat(list(_there_and_back(held.model, held.latents, texts, tick))).cpu()
    return {"inversion.psnr": float(psnr(returned, held.decoded).mean())}


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """In dB, [B], of images [B, 3, H, W] in -1..1, see :func:`retouch.measures.pixels.psnr`."""
    return pixels.psnr((images + 1) / 2, (reference + 1) / 2)


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
    schedule, kind, drawn = model.schedule(STEPS), model.prediction_type, []
    blank = torch.zeros(1, 3, model.native_side, model.native_side)
    side, channels = model.native_side // model.vae_factor, model.encode(blank).shape[1]
    random = torch.Generator().manual_seed(seed)
    for start in range(0, len(texts), _BATCH):
        some = texts[start : start + _BATCH]
        latents = torch.randn(len(some), channels, side, side, generator=random).to(model.device)
        embeds = model.condition([*([""] * len(some)), *some])
        for index in reversed(range(STEPS)):
            null, told = model.predict(latents.repeat(2, 1, 1, 1), schedule.timesteps[index], embeds).chunk(2)
            latents = schedule.down_guided(null + GUIDANCE_SCALE * (told - null), latents, index, kind)
            if tick:
                tick(2 * len(some))
        drawn.append(model.decode(latents, model.condition(some) if model.draws_by_text else None).cpu())
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


def _clip(held: _HeldOut, tick: Tick) -> dict[str, float]:
    from transformers.models.clip.modeling_clip import CLIPModel
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    from retouch.diorama.train.clip import Readout, agreement

    model = Readout(CLIPModel.from_pretrained(held.folder / "clip", dtype=torch.float32)).eval()
    tokenizer = CLIPTokenizer.from_pretrained(held.folder / "clip")
    figures = agreement(model, tokenizer, list(held.scenes), torch.from_numpy(held.pictures))
    tick(len(held.scenes))
    return {f"clip.{name if name == 'of_32' else f'swapped.{name}'}": value for name, value in figures.items()}


def _segmenter(held: _HeldOut, tick: Tick) -> dict[str, float]:
    segmenter, random, found = Segmenter(held.folder / "segmenter"), np.random.default_rng(held.seed), []
    for picture, mask in zip(held.pictures, held.masks, strict=True):
        y, x = random.choice(np.argwhere(mask > 230)) + 0.5
        marked = np.asarray(segmenter.mask(Image.fromarray(picture), points=[(float(x), float(y))])) > 127
        found.append((marked & (mask > 127)).sum() / (marked | (mask > 127)).sum())
    tick(len(held.scenes))
    return {"segmenter.iou": float(np.mean(found)), "segmenter.iou.worst_tenth": float(np.quantile(found, 0.1))}


def _pictures(images: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


_MEASURED: Mapping[str, Callable[[_HeldOut, Tick], dict[str, float]]] = {
    "autoencoder": _autoencoder, "clip": _clip, "judge": _judged, "segmenter": _segmenter,
    "text_to_image": _text_to_image, "inversion": _inversion,
}  # fmt: skip
_WORK = {"autoencoder": 1, "clip": 1, "judge": 2, "segmenter": 1, "text_to_image": 2 * STEPS, "inversion": 2 * STEPS}
