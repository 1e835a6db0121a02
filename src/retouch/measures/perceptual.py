"""LPIPS (Zhang et al. 2018): how different two pictures look, by the features of an image classifier."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from retouch.errors import BadModel
from retouch.measures.batch import Batch
from retouch.measures.measure import Measure, Region
from retouch.measures.models import Models
from retouch.measures.pixels import nan_where
from retouch.measures.regions import covers_all, outside_of

_SMALLEST = 32  # pixels along a side: of smaller pictures nothing is left after the networks' pooling
Network = Literal["alex", "squeeze", "vgg"]
_NETWORKS: dict[Network, str] = {"alex": "AlexNet", "squeeze": "SqueezeNet", "vgg": "VGG"}


class Lpips:
    """The distance in the features of one network, through torchmetrics and torchvision.

    Args:
        network: "alex", "squeeze" or "vgg".

    Raises:
        BadModel: where torchvision or the network's weights are not there, once it is asked.
    """

    def __init__(self, network: Network = "alex", device: torch.device | None = None) -> None:
        self.network, self.device = network, device or torch.device("cpu")

    @cached_property
    def _loaded(self) -> Any:
        try:
            importlib.import_module("torchvision")
        except Exception as error:  # one built for another torch fails in ways of its own
            raise BadModel(
                f"LPIPS needs torchvision, which cannot be imported here ({type(error).__name__}): install the one "
                "that fits this torch, as with pip install torchvision."
            ) from None
        try:
            from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

            # the class and not the function, which reads the weights again at every call
            network = LearnedPerceptualImagePatchSimilarity(net_type=self.network).net
        except Exception as error:  # whatever torchvision or the network raise, the remedy is the same
            raise BadModel(
                f"the weights of {_NETWORKS[self.network]}, which LPIPS compares in, could not be loaded "
                f"({type(error).__name__}): connect once so that torchvision can fetch them."
            ) from error
        return network.to(self.device).requires_grad_(False)

    def load(self) -> None:
        """Reads the network from the disk, or fetches it, unless that was done before.

        Raises:
            BadModel: where it cannot be had.
        """
        _ = self._loaded

    @torch.no_grad()
    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Σ over layers of the mean over places of w · (φ(a) - φ(b))², φ of length 1 at every place: 0 (identical) up.

        Args:
            a, b: [B, 3, H, W] in 0..1; compared as they are, without resizing.

        Returns:
            [B]; NaN for pictures of fewer than 32 pixels along a side.
        """
        if min(a.shape[-2:]) < _SMALLEST:
            return torch.full(a.shape[:1], torch.nan)
        return self._loaded(a.to(self.device), b.to(self.device), normalize=True).flatten()

    def distance_outside(self, inputs: Tensor, edits: Tensor, masks: Tensor) -> Tensor:
        """The distance outside masks [B, 1, H, W]: of the input and of what is :func:`outside_of` them; [B].

        The mean goes over the whole picture all the same: the larger the mask, the less there is to count. NaN where
        the mask leaves nothing.
        """
        return nan_where(covers_all(masks), self.distance(inputs, outside_of(inputs, edits, masks)))


def _loader(network: Network) -> Callable[[Models], Lpips]:
    def load(models: Models) -> Lpips:
        lpips = Lpips(network, models.device)
        lpips.load()
        return lpips

    return load


LOADERS = {network: _loader(network) for network in _NETWORKS}
"""What loads LPIPS of each network."""


def _whole(batch: Batch, lpips: Lpips) -> Tensor:
    return lpips.distance(batch.inputs, batch.edits)


def _inside(batch: Batch, lpips: Lpips) -> Tensor:
    return lpips.distance_outside(batch.inputs, batch.edits, batch.outside)


def _outside(batch: Batch, lpips: Lpips) -> Tensor:
    return lpips.distance_outside(batch.inputs, batch.edits, batch.inside)


def _measure(network: Network, region: Region, compute: Callable[[Batch, Lpips], Tensor], help: str) -> Measure:
    return Measure(
        f"lpips.{network}.{region}".rstrip("."),
        f"LPIPS ({_NETWORKS[network]})" + (f" {region} the mask" if region else ""), "", "lower", help,
        "" if region == "inside" else "kept", compute=compute, needs=LOADERS[network], masked=bool(region),
    )  # fmt: skip


_REGIONS: tuple[tuple[Region, Callable[[Batch, Lpips], Tensor], str], ...] = (
    ("", _whole, "learned perceptual distance (Zhang et al. 2018); needs torchvision"),
    ("inside", _inside, "the input pasted over the edit outside the mask"),
    ("outside", _outside, "the input pasted over the edit inside the mask"),
)

MEASURES = tuple(_measure(network, *row) for network in _NETWORKS for row in _REGIONS)
