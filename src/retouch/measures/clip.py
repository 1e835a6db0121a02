"""How well pictures fit sentences, by CLIP: the CLIP score and the directional similarity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from retouch.backbone.clip import Clip
from retouch.errors import BadModel
from retouch.measures.batch import Batch, picture_tensor, to_image
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.regions import covers_all, cut_around, outside_of

_STILL = 1e-4
"""Features of length 1 that lie nearer together are equal but for rounding; edits move them by a tenth and more."""


def clip_score(pictures: Tensor, sentences: Tensor) -> Tensor:
    """CLIP score (Hessel et al. 2021), 100 cos(picture, sentence): -100..100, never clipped at 0; [B].

    Args:
        pictures, sentences: features [B, D] of length 1. NaN features give NaN.
    """
    return 100 * (pictures * sentences).sum(-1)


def directional_similarity(inputs: Tensor, edits: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
    """Directional CLIP similarity (Gal et al., StyleGAN-NADA, 2022): does the picture change as the text does? [B].

    cos(E(edit) - E(input), E(target) - E(source)), -1..1, of features of length 1. It is 0 where the edit shows what
    the input does, which is no step in any direction, and NaN where the text has none: no source, or the target again.

    Args:
        inputs, edits: features of pictures, [B, D].
        sources, targets: features of sentences, [B, D]; NaN where there is no source.
    """
    step, asked = edits - inputs, targets - sources
    cosine = functional.cosine_similarity(step, asked, dim=-1)
    cosine = torch.where(step.norm(dim=-1) < _STILL, 0.0, cosine)
    return torch.where(asked.norm(dim=-1) >= _STILL, cosine, torch.nan)


@torch.no_grad()
def image_features(clip: Clip, pictures: Iterable[Tensor]) -> Tensor:
    """What pictures show: [B, D] of length 1, from [B, 3, H, W] or [3, h, w] of any sizes, in 0..1."""
    return clip.look(prepared(clip, [to_image(picture) for picture in pictures]))


@torch.no_grad()
def image_features_inside(clip: Clip, pictures: Tensor, masks: Tensor) -> Tensor:
    """What pictures show around their masks: [B, D] of length 1, NaN where the mask is empty.

    CLIP sees the square of :func:`retouch.measures.regions.cut_around`.

    Args:
        pictures: [B, 3, H, W] in 0..1.
        masks: [B, 1, H, W] of 0 and 1.
    """
    cut = [cut_around(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]
    features = image_features(clip, [pictures[0] if part is None else part for part in cut])
    empty = torch.tensor([part is None for part in cut], device=features.device)
    return features.masked_fill(empty[:, None], torch.nan)


def text_features(clip: Clip, sentences: Sequence[str | None]) -> Tensor:
    """What sentences say: [B, D] of length 1, NaN where there is none; too long ones are cut off."""
    features = clip.read(*(sentence or "" for sentence in sentences))
    absent = torch.tensor([sentence is None for sentence in sentences], device=features.device)
    return features.masked_fill(absent[:, None], torch.nan)


def prepared(clip: Clip, images: Iterable[Image.Image]) -> Tensor:
    """Pictures as the model's own preprocessing has them, all but the normalising: [B, 3, side, side] in 0..1.

    The shorter side is scaled to the model's and the middle square cut out, with Pillow, whose filters and rounding to
    8 bits the preprocessing is defined by.
    """
    side = clip.side
    resample = Image.Resampling(clip.preprocessing.get("resample", Image.Resampling.BICUBIC))
    return torch.stack([picture_tensor(_middle_square(image.convert("RGB"), side, resample)) for image in images])


def _middle_square(image: Image.Image, side: int, resample: Image.Resampling) -> Image.Image:
    shorter = min(image.size)  # what is left of a pixel is cut off, not rounded
    size = (side * image.width // shorter, side * image.height // shorter)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return image.resize(size, resample).crop((left, top, left + side, top + side))


def clip_model(models: Models) -> Clip:
    """The CLIP model that was named.

    Raises:
        BadModel: where none was, or it cannot be had.
    """
    if models.clip is None:
        raise BadModel(
            "no CLIP model was given: name one, as openai/clip-vit-large-patch14, a folder, or diorama for pictures of "
            "the painted world."
        )
    clip = Clip(models.clip, models.device)
    _ = clip.side  # which only the loaded model knows
    return clip


def seen(clip: Clip, batch: Batch, what: str) -> Tensor:
    """CLIP's features of "inputs", "edits", "sources" or "targets", looked at once for all measures of a batch."""
    if what in ("sources", "targets"):
        return batch.once((clip, what), lambda: text_features(clip, [said or None for said in getattr(batch, what)]))
    return batch.once((clip, what), lambda: image_features(clip, getattr(batch, what)))


def _inside(clip: Clip, batch: Batch, what: str) -> Tensor:
    return batch.once((clip, what, "inside"), lambda: image_features_inside(clip, getattr(batch, what), batch.inside))


def _outside(clip: Clip, batch: Batch) -> Tensor:

    def features() -> Tensor:
        found = image_features(clip, outside_of(batch.inputs, batch.edits, batch.inside))
        return found.masked_fill(covers_all(batch.inside).to(found.device)[:, None], torch.nan)

    return batch.once((clip, "edits", "outside"), features)


def _direction(clip: Clip, batch: Batch, inputs: Tensor, edits: Tensor) -> Tensor:
    return directional_similarity(inputs, edits, *(seen(clip, batch, what) for what in ("sources", "targets")))


COSINE = "cosine × 100"

MEASURES = (
    Measure(
        "clip_score", "CLIP score", COSINE, "higher",
        "100 · cosine of edit and target text, never clipped (Hessel et al. 2021)", "changed",
        needs=clip_model, groups=("default",),
        compute=lambda batch, clip: clip_score(seen(clip, batch, "edits"), seen(clip, batch, "targets")),
    ),
    Measure(
        "clip_score.inside", "CLIP score around the mask", COSINE, "higher", "the same of the square around the mask",
        "changed", needs=clip_model, masked=True, groups=("default",),
        compute=lambda batch, clip: clip_score(_inside(clip, batch, "edits"), seen(clip, batch, "targets")),
    ),
    Measure(
        "clip_score.outside", "CLIP score of the source outside the mask", COSINE, "higher",
        "of the *source* text, which should still be true there", needs=clip_model, masked=True,
        compute=lambda batch, clip: clip_score(_outside(clip, batch), seen(clip, batch, "sources")),
    ),
    Measure(
        "directional_similarity", "directional CLIP similarity", "cosine", "higher",
        "cosine of the change of the picture and the change of the text (Gal et al. 2022); needs source prompts",
        "changed", needs=clip_model, groups=("default",),
        compute=lambda batch, clip: _direction(clip, batch, *(seen(clip, batch, what) for what in ("inputs", "edits"))),
    ),
    Measure(
        "directional_similarity.inside", "directional CLIP similarity around the mask", "cosine", "higher",
        "the same of the square around the mask", "changed", needs=clip_model, masked=True,
        compute=lambda batch, clip: _direction(
            clip, batch, *(_inside(clip, batch, what) for what in ("inputs", "edits"))
        ),
    ),
    Measure(
        "directional_similarity.outside", "directional CLIP similarity outside the mask", "cosine", "zero",
        "how far the change went on where nothing should change, 0 for not at all", needs=clip_model, masked=True,
        compute=lambda batch, clip: _direction(clip, batch, seen(clip, batch, "inputs"), _outside(clip, batch)),
    ),
)  # fmt: skip
