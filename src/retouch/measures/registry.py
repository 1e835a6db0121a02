"""Every measure by name, and which of them can be computed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from retouch.backbone.clip import Clip
from retouch.errors import BadModel, BadParameter
from retouch.measures import pie_bench, pixels
from retouch.measures.batch import Batch
from retouch.measures.clip import (
    clip_score,
    directional_similarity,
    image_features,
    image_features_inside,
    text_features,
)
from retouch.measures.perceptual import Lpips
from retouch.measures.pixels import nan_where
from retouch.measures.regions import covers_all, outside_of
from retouch.measures.structure import DINO, Dino, structure_distance

Better = Literal["higher", "lower", "zero"]


@dataclass(frozen=True)
class Measure:
    """One figure of an edit.

    Attributes:
        name: as in :func:`names`.
        title: for tables.
        unit: "" for a plain number.
        better: which values are.
        compute: of a batch, [B]; NaN where it is undefined.
        model: what looked at the pictures, its name and fingerprint, where others could be chosen; else "".
    """

    name: str
    title: str
    unit: str
    better: Better
    compute: Callable[[Batch], Tensor]
    model: str = ""


def names(group: str = "all") -> list[str]:
    """The measures of a group: "default" (cheap, and without downloads), "pie-bench" or "all"; nothing is loaded.

    Raises:
        BadParameter: for an unknown group.
    """
    return _chosen([group])


def measures_for(
    clip: str | None,
    names: Sequence[str] | None = None,
    dino: str = DINO,
    *,
    device: torch.device | None = None,
) -> tuple[list[Measure], list[tuple[str, str]]]:
    """The measures that can be computed here, and the names of those that cannot, each with the reason in a sentence.

    Models that the measures need are loaded, so that one that is absent is known before a long run; each is loaded once
    and shared. Others are not touched.

    Args:
        clip: a CLIP model: "diorama", a folder or a hub name; None for none.
        names: of measures and groups; None for "default".
        dino: the structure distance's vision transformer, a folder or a hub name.
        device: where the models work; default the CPU. Values come back on the batch's.

    Raises:
        BadParameter: for an unknown name.
    """
    models = _Models(clip, dino, device)
    able, unable = list[Measure](), list[tuple[str, str]]()
    for name in _chosen(names):
        row = _TABLE[name]
        try:
            compute = partial(_computed, row.compute, models.get(row.needs))
        except BadModel as error:
            unable.append((name, str(error)))
        else:
            able.append(Measure(name, row.title, row.unit, row.better, compute, models.called(row.needs)))
    return able, unable


class _Models:
    """The models that measures need, each made when first asked for."""

    def __init__(self, clip: str | None, dino: str, device: torch.device | None) -> None:
        self._clip, self._dino, self._device = clip, dino, device
        self._made: dict[str, Any] = {"": None}
        self._reasons = dict[str, str]()

    def get(self, need: str) -> Any:
        """The model.

        Raises:
            BadModel: where it cannot be had; whoever asks again is told again, without another attempt.
        """
        if need in self._reasons:
            raise BadModel(self._reasons[need])
        if need not in self._made:
            try:
                self._made[need] = self._loaded(need)
            except BadModel as error:
                self._reasons[need] = str(error)
                raise
        return self._made[need]

    def called(self, need: str) -> str:
        """A loaded model's name and fingerprint, "" for one that is the measure's own."""
        model = self._made[need]
        return called(model) if isinstance(model, Clip | Dino) else ""

    def _loaded(self, need: str) -> Clip | Dino | Lpips:
        if need == "dino":
            dino = Dino(self._dino, self._device)
            dino.load()
            return dino
        if need == "clip":
            if self._clip is None:
                raise BadModel(
                    "no CLIP model was given: name one, as openai/clip-vit-large-patch14, a folder, or diorama for "
                    "pictures of the painted world."
                )
            clip = Clip(self._clip, self._device)
            _ = clip.side  # which only the loaded model knows
            return clip
        lpips = Lpips(need, self._device)  # type: ignore[arg-type]
        lpips.load()
        return lpips


def called(model: Clip | Dino) -> str:
    """The last part of a model's name, and its fingerprint: the same wherever the model lies."""
    return f"{Path(model.name).name} {model.fingerprint}"


def _chosen(wanted: Sequence[str] | None) -> list[str]:
    found = list[str]()
    for name in ["default"] if wanted is None else wanted:
        if name not in _GROUPS and name not in _TABLE:
            raise BadParameter(
                f"there is no measure {name!r}; the groups are {', '.join(_GROUPS)}, and the measures "
                f"{', '.join(_TABLE)}."
            )
        found += _GROUPS.get(name, [name])
    return list(dict.fromkeys(found))


@torch.no_grad()
def _computed(compute: Callable[[Any, Batch], Tensor], model: Any, batch: Batch) -> Tensor:
    return compute(model, batch).to(batch.inputs)


@dataclass(frozen=True)
class _Row:
    title: str
    unit: str
    better: Better
    needs: str
    compute: Callable[[Any, Batch], Tensor]


def _masked(compute: Callable[[Any, Batch, Tensor], Tensor]) -> Callable[[Any, Batch], Tensor]:
    """A measure that wants masks: NaN without them."""

    def computed(model: Any, batch: Batch) -> Tensor:
        if batch.masks is None:
            return torch.full((len(batch),), torch.nan)
        return compute(model, batch, batch.masks)

    return computed


def _features(clip: Clip, batch: Batch, what: str) -> Tensor:
    """CLIP's features of "inputs", "edits", "sources" or "targets", looked at once for all measures of a batch."""
    see = text_features if what in ("sources", "targets") else image_features
    return batch.once((clip, what), lambda: see(clip, getattr(batch, what)))


def _around(clip: Clip, batch: Batch, masks: Tensor, what: str) -> Tensor:
    return batch.once((clip, what, "inside"), lambda: image_features_inside(clip, getattr(batch, what), masks))


def _outside(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    def seen() -> Tensor:
        features = image_features(clip, outside_of(batch.inputs, batch.edits, masks))
        return features.masked_fill(covers_all(masks).to(features.device)[:, None], torch.nan)

    return batch.once((clip, "edits", "outside"), seen)


def _clip_score(clip: Clip, batch: Batch) -> Tensor:
    return clip_score(_features(clip, batch, "edits"), _features(clip, batch, "targets"))


def _clip_score_inside(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    return clip_score(_around(clip, batch, masks, "edits"), _features(clip, batch, "targets"))


def _clip_score_outside(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    """Of the source: what is outside should still show what it did."""
    return clip_score(_outside(clip, batch, masks), _features(clip, batch, "sources"))


def _clip_score_edited(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    return clip_score(pie_bench.edited_features(clip, batch.edits, masks), _features(clip, batch, "targets"))


def _directional(clip: Clip, batch: Batch) -> Tensor:
    return _direction(clip, batch, _features(clip, batch, "inputs"), _features(clip, batch, "edits"))


def _directional_inside(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    return _direction(clip, batch, *(_around(clip, batch, masks, what) for what in ("inputs", "edits")))


def _directional_outside(clip: Clip, batch: Batch, masks: Tensor) -> Tensor:
    """How far the asked change went on where nothing should change."""
    return _direction(clip, batch, _features(clip, batch, "inputs"), _outside(clip, batch, masks))


def _direction(clip: Clip, batch: Batch, inputs: Tensor, edits: Tensor) -> Tensor:
    return directional_similarity(inputs, edits, *(_features(clip, batch, what) for what in ("sources", "targets")))


def _pixels(
    measure: Callable[..., Tensor], where: Literal["inside", "outside", ""] = ""
) -> Callable[[Any, Batch], Tensor]:
    def whole(_: None, batch: Batch) -> Tensor:
        return measure(batch.inputs, batch.edits)

    def inside(_: None, batch: Batch, masks: Tensor) -> Tensor:
        return measure(batch.inputs, batch.edits, masks)

    def outside(_: None, batch: Batch, masks: Tensor) -> Tensor:
        return measure(batch.inputs, batch.edits, 1 - masks)

    return whole if not where else _masked(inside if where == "inside" else outside)


def _lpips(lpips: Lpips, batch: Batch) -> Tensor:
    return lpips.distance(batch.inputs, batch.edits)


def _lpips_outside(lpips: Lpips, batch: Batch, masks: Tensor) -> Tensor:
    return lpips.distance_outside(batch.inputs, batch.edits, masks)


def _lpips_inside(lpips: Lpips, batch: Batch, masks: Tensor) -> Tensor:
    return lpips.distance_outside(batch.inputs, batch.edits, 1 - masks)


def _structure_outside(dino: Dino, batch: Batch, masks: Tensor) -> Tensor:
    """As LPIPS outside: the input is pasted into the edit inside the mask."""
    pasted = outside_of(batch.inputs, batch.edits, masks)
    return nan_where(covers_all(masks), structure_distance(dino.keys(batch.inputs), dino.keys(pasted)))


def _structure_inside(dino: Dino, batch: Batch, masks: Tensor) -> Tensor:
    return _structure_outside(dino, batch, 1 - masks)


def _structure(dino: Dino, batch: Batch) -> Tensor:
    return structure_distance(dino.keys(batch.inputs), dino.keys(batch.edits))


def _pie_structure(dino: Dino, batch: Batch) -> Tensor:
    return pie_bench.structure_distance(dino, batch.inputs, batch.edits)


def _pie_lpips(squeeze: Lpips, batch: Batch, masks: Tensor) -> Tensor:
    return pie_bench.lpips(squeeze, batch.inputs, batch.edits, masks)


def _unedited(measure: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Any, Batch], Tensor]:
    return _masked(lambda _, batch, masks: measure(batch.inputs, batch.edits, masks))


_COSINE = "cosine × 100"

_TABLE: dict[str, _Row] = {
    "clip_score": _Row("CLIP score", _COSINE, "higher", "clip", _clip_score),
    "clip_score.inside": _Row("CLIP score around the mask", _COSINE, "higher", "clip", _masked(_clip_score_inside)),
    "clip_score.outside": _Row(
        "CLIP score of the source outside the mask", _COSINE, "higher", "clip", _masked(_clip_score_outside)
    ),
    "directional_similarity": _Row("directional CLIP similarity", "cosine", "higher", "clip", _directional),
    "directional_similarity.inside": _Row(
        "directional CLIP similarity around the mask", "cosine", "higher", "clip", _masked(_directional_inside)
    ),
    "directional_similarity.outside": _Row(
        "directional CLIP similarity outside the mask", "cosine", "zero", "clip", _masked(_directional_outside)
    ),
    "psnr": _Row("PSNR", "dB", "higher", "", _pixels(pixels.psnr)),
    "psnr.inside": _Row("PSNR inside the mask", "dB", "higher", "", _pixels(pixels.psnr, "inside")),
    "psnr.outside": _Row("PSNR outside the mask", "dB", "higher", "", _pixels(pixels.psnr, "outside")),
    "ssim": _Row("SSIM", "", "higher", "", _pixels(pixels.ssim)),
    "ssim.inside": _Row("SSIM inside the mask", "", "higher", "", _pixels(pixels.ssim, "inside")),
    "ssim.outside": _Row("SSIM outside the mask", "", "higher", "", _pixels(pixels.ssim, "outside")),
    "mse": _Row("MSE", "", "lower", "", _pixels(pixels.mse)),
    "mse.inside": _Row("MSE inside the mask", "", "lower", "", _pixels(pixels.mse, "inside")),
    "mse.outside": _Row("MSE outside the mask", "", "lower", "", _pixels(pixels.mse, "outside")),
    "lpips.alex": _Row("LPIPS (AlexNet)", "", "lower", "alex", _lpips),
    "lpips.alex.inside": _Row("LPIPS (AlexNet) inside the mask", "", "lower", "alex", _masked(_lpips_inside)),
    "lpips.alex.outside": _Row("LPIPS (AlexNet) outside the mask", "", "lower", "alex", _masked(_lpips_outside)),
    "lpips.squeeze": _Row("LPIPS (SqueezeNet)", "", "lower", "squeeze", _lpips),
    "lpips.squeeze.inside": _Row("LPIPS (SqueezeNet) inside the mask", "", "lower", "squeeze", _masked(_lpips_inside)),
    "lpips.squeeze.outside": _Row(
        "LPIPS (SqueezeNet) outside the mask", "", "lower", "squeeze", _masked(_lpips_outside)
    ),
    "lpips.vgg": _Row("LPIPS (VGG)", "", "lower", "vgg", _lpips),
    "lpips.vgg.inside": _Row("LPIPS (VGG) inside the mask", "", "lower", "vgg", _masked(_lpips_inside)),
    "lpips.vgg.outside": _Row("LPIPS (VGG) outside the mask", "", "lower", "vgg", _masked(_lpips_outside)),
    "structure_distance": _Row("structure distance", "", "lower", "dino", _structure),
    "structure_distance.inside": _Row(
        "structure distance inside the mask", "", "lower", "dino", _masked(_structure_inside)
    ),
    "structure_distance.outside": _Row(
        "structure distance outside the mask", "", "lower", "dino", _masked(_structure_outside)
    ),
    "pie.structure_distance": _Row("PIE-Bench structure distance", "", "lower", "dino", _pie_structure),
    "pie.psnr": _Row("PIE-Bench PSNR, unedited part", "dB", "higher", "", _unedited(pie_bench.psnr)),
    "pie.lpips": _Row("PIE-Bench LPIPS, unedited part", "", "lower", "squeeze", _masked(_pie_lpips)),
    "pie.mse": _Row("PIE-Bench MSE, unedited part", "", "lower", "", _unedited(pie_bench.mse)),
    "pie.ssim": _Row("PIE-Bench SSIM, unedited part", "", "higher", "", _unedited(pie_bench.ssim)),
    "pie.clip_score": _Row("PIE-Bench CLIP score", _COSINE, "higher", "clip", _clip_score),
    "pie.clip_score.edited": _Row(
        "PIE-Bench CLIP score, edited part", _COSINE, "higher", "clip", _masked(_clip_score_edited)
    ),
}

_GROUPS: dict[str, list[str]] = {
    "default": [
        *("clip_score", "clip_score.inside", "directional_similarity"),
        *("psnr", "psnr.outside", "ssim", "ssim.outside", "mse", "mse.outside"),
    ],
    "pie-bench": [name for name in _TABLE if name.startswith("pie.")],
    "all": list(_TABLE),
}
