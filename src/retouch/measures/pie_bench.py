"""PIE-Bench's measures (Ju et al., Direct Inversion, 2024), by the conventions of its published evaluation.

Both pictures are multiplied by 1 - mask and compared as whole pictures, so that the edited part counts as equal: the
larger it is, the better the values. They are for comparing with published tables; :mod:`pixels` averages over the
unedited part alone. All take ``inputs`` and ``edits`` [B, 3, H, W] in 0..1 and ``masks`` [B, 1, H, W] of 0 and 1, 1
where the edit may change things, to which :func:`with_border` is applied, and give [B]. Where nothing is unedited the
value is NaN, and the tables' means leave NaN out (``torch.nanmean``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from retouch.backbone.clip import Clip
from retouch.measures import pixels
from retouch.measures.batch import Batch
from retouch.measures.clip import COSINE, clip_model, clip_score, image_features, seen
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.perceptual import LOADERS, Lpips
from retouch.measures.pixels import nan_where
from retouch.measures.structure import Dino, dino_model
from retouch.measures.structure import structure_distance as distance_of_keys

_REACH = 5  # pixels from the middle of SSIM's window to its edge


def with_border(masks: Tensor) -> Tensor:
    """Masks [..., H, W] with 1 in the first and last row and column, where the annotations are unsure."""
    bordered = masks.clone()
    bordered[..., [0, -1], :] = 1
    bordered[..., :, [0, -1]] = 1
    return bordered


def mse(inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
    """Mean squared error of the masked pictures over all pixels: 0 (identical) .. 1. Tables print it × 10⁴."""
    kept = 1 - with_border(masks)
    return _where_any(kept, pixels.mse(inputs * kept, edits * kept))


def psnr(inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
    """10 log10(1 / :func:`mse`) in dB: 100 for identical pictures, where the published code gives infinity."""
    kept = 1 - with_border(masks)
    return _where_any(kept, pixels.psnr(inputs * kept, edits * kept))


def ssim(inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
    """SSIM of the masked pictures: -1 .. 1 (identical). Tables print it × 100.

    Windows that go over the picture's edge do not count, as in the torchmetrics that the published values are from.
    """
    kept = 1 - with_border(masks)
    found = pixels.ssim_map(inputs * kept, edits * kept)[..., _REACH:-_REACH, _REACH:-_REACH]
    return _where_any(kept, found.flatten(1).mean(1))


def lpips(squeeze: Lpips, inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
    """LPIPS of the masked pictures, by SqueezeNet: 0 (identical) up. Tables print it × 10³."""
    kept = 1 - with_border(masks)
    return _where_any(kept, squeeze.distance(inputs * kept, edits * kept))


def structure_distance(dino: Dino, inputs: Tensor, edits: Tensor) -> Tensor:
    """Structure distance of the whole pictures: 0 (same) .. 4. Tables print it × 10³.

    The network is fed 0..255 where it was trained on 0..1, as in the published evaluation.
    """
    return distance_of_keys(dino.keys(255 * inputs), dino.keys(255 * edits))


def edited_features(clip: Clip, edits: Tensor, masks: Tensor) -> Tensor:
    """CLIP's features [B, D] of the edits with everything outside the mask black.

    :func:`retouch.measures.clip.clip_score` of them is the tables' "CLIP similarity, edited".
    """
    return image_features(clip, edits * with_border(masks))


def _where_any(kept: Tensor, values: Tensor) -> Tensor:
    return nan_where(~kept.flatten(1).bool().any(1), values)


def _measure(
    name: str,
    title: str,
    compute: Callable[..., Tensor],
    better: Literal["higher", "lower"],
    help: str,
    *,
    unit: str = "",
    needs: Callable[[Models], Any] | None = None,
    masked: bool = True,
) -> Measure:
    return Measure(
        f"pie.{name}", f"PIE-Bench {title}", unit, better, help,
        compute=compute, needs=needs, masked=masked, groups=("pie-bench",),
    )  # fmt: skip


def _kept(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Batch], Tensor]:
    def computed(batch: Batch) -> Tensor:
        return function(batch.inputs, batch.edits, batch.inside)

    return computed


def _lpips(batch: Batch, squeeze: Lpips) -> Tensor:
    return lpips(squeeze, batch.inputs, batch.edits, batch.inside)


def _edited(batch: Batch, clip: Clip) -> Tensor:
    return clip_score(edited_features(clip, batch.edits, batch.inside), seen(clip, batch, "targets"))


MEASURES = (
    _measure(
        "structure_distance", "structure distance",
        lambda batch, dino: structure_distance(dino, batch.inputs, batch.edits), "lower",
        "the structure distance fed 0 to 255", needs=dino_model, masked=False,
    ),
    _measure("psnr", "PSNR, unedited part", _kept(psnr), "higher", "of the masked pictures", unit="dB"),
    _measure(
        "lpips", "LPIPS, unedited part", _lpips, "lower", "of the masked pictures, by SqueezeNet; needs torchvision",
        needs=LOADERS["squeeze"],
    ),
    _measure("mse", "MSE, unedited part", _kept(mse), "lower", "of the masked pictures, their zeros counted"),
    _measure("ssim", "SSIM, unedited part", _kept(ssim), "higher", "of the masked pictures"),
    _measure(
        "clip_score", "CLIP score",
        lambda batch, clip: clip_score(seen(clip, batch, "edits"), seen(clip, batch, "targets")), "higher",
        "of the whole edit", unit=COSINE, needs=clip_model, masked=False,
    ),
    _measure(
        "clip_score.edited", "CLIP score, edited part", _edited, "higher", "of the edit, black outside the mask",
        unit=COSINE, needs=clip_model,
    ),
)  # fmt: skip
