"""How far two sets of pictures lie apart: the Fréchet distance of their features, FID with Inception's."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from retouch.errors import BadModel
from retouch.measures.clip import clip_model, image_features
from retouch.measures.measure import Region, SetMeasure
from retouch.measures.models import Models


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance (Heusel et al. 2017) of the Gaussians that have the features' means and covariances.

    |μa - μb|² + Tr(Σa + Σb - 2 (Σa Σb)^½), 0 (same distribution) up. With CLIP's features
    (:func:`retouch.measures.clip.image_features`) it is the distance that goes by CLIP-FID or FD-CLIP; with
    :class:`Inception`'s it is FID. Values of sets of different sizes do not compare, and hundreds of pictures are few.

    Args:
        a, b: features [N, D] and [M, D], a row for each picture of a set.

    Returns:
        NaN when a set has fewer than 2 pictures, or features are NaN.
    """
    if min(len(a), len(b)) < 2 or not (a.isfinite().all() and b.isfinite().all()):
        return math.nan
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Features(a.shape[1]))
    metric.update(a.detach().cpu().double(), real=True)
    metric.update(b.detach().cpu().double(), real=False)
    return max(0.0, float(metric.compute()))  # the square root's rounding can go below


class _Features(nn.Module):
    """Features that were computed before, where torchmetrics wants a network."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class Inception:
    """FID's network: Inception v3 as ported from TensorFlow, through torchmetrics and torch-fidelity.

    Raises:
        BadModel: where torch-fidelity or the weights are not there, once it is asked.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> Any:
        from torchmetrics.image.fid import FrechetInceptionDistance

        try:
            return FrechetInceptionDistance(feature=2048).inception.to(self.device).requires_grad_(False)
        except ModuleNotFoundError:
            raise BadModel(
                "FID needs torch-fidelity, which is not installed here: get it with pip install torch-fidelity, or "
                "take the Fréchet distance of CLIP features."
            ) from None
        except Exception as error:  # whatever fetching and reading raise, the remedy is the same
            raise BadModel(
                f"the weights of Inception, which FID compares in, could not be loaded ({type(error).__name__}): "
                "connect once so that torch-fidelity can fetch them, or take the Fréchet distance of CLIP features."
            ) from error

    def load(self) -> None:
        """Reads the network from the disk, or fetches it, unless that was done before.

        Raises:
            BadModel: where it cannot be had.
        """
        _ = self._loaded

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """[B, 2048] from [B, 3, H, W] in 0..1; the network resizes."""
        bytes_ = (pictures.clamp(0, 1) * 255).round().to(self.device, torch.uint8)
        return self._loaded(bytes_)


def inception_model(models: Models) -> Inception:
    """FID's network.

    Raises:
        BadModel: where it cannot be had.
    """
    inception = Inception(models.device)
    inception.load()
    return inception


_REGIONS: tuple[tuple[Region, str, str], ...] = (
    ("", "", ""),
    ("inside", " around the mask", "of the squares around the masks"),
    ("outside", " outside the mask", "of the edits with the input pasted in inside the masks"),
)
_WHOLE = "Fréchet distance of all edits of a method and the inputs"

MEASURES = (
    *(
        SetMeasure(
            f"fid.{region}".rstrip("."), f"FID{where}", "", "lower",
            how or f"{_WHOLE}, by Inception; needs torch-fidelity",
            needs=inception_model, features=lambda pictures, inception: inception.features(pictures),
            distance=frechet_distance, region=region,
        )
        for region, where, how in _REGIONS
    ),
    *(
        SetMeasure(
            f"frechet.clip.{region}".rstrip("."), f"Fréchet distance, CLIP{where}", "", "lower",
            how or f"{_WHOLE}, by the model of --clip",
            needs=clip_model, features=lambda pictures, clip: image_features(clip, pictures),
            distance=frechet_distance, region=region,
        )
        for region, where, how in _REGIONS
    ),
)  # fmt: skip
