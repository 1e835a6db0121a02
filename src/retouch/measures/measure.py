"""What a measure is: a quantity, and the function that takes it of a batch of edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from retouch.errors import RetouchError
from retouch.measures.batch import Batch
from retouch.measures.models import Models, called
from retouch.quantity import DECIBELS, IDENTICAL, Quantity

Region = Literal["", "inside", "outside"]


@dataclass(frozen=True, kw_only=True)
class Measure(Quantity):
    """One figure of an edit.

    Attributes:
        compute: of a batch, [B], NaN where it is undefined; with the model as a second argument where it needs one.
        needs: what loads its model from the models that were named; None for none. Measures that name the same function
            share what it loads.
        masked: whether it wants masks; without them its values are NaN.
        groups: under which names it goes with others: "default" (cheap, and without downloads), "pie-bench", or new.
        model: what looks at the pictures, its name and fingerprint, once it is loaded and could be another; else "".
        network: whether a model that was loaded looks at the pictures.
    """

    compute: Callable[..., Tensor]
    needs: Callable[[Models], Any] | None = None
    masked: bool = False
    groups: tuple[str, ...] = ()
    model: str = field(default="", repr=False)
    network: bool = field(default=False, repr=False)

    def loaded(self, models: Models) -> Measure:
        """The same with its model in hand.

        Args:
            models: where it is taken from.

        Raises:
            BadModel: where the model cannot be had.
        """
        if self.needs is None:
            return self
        model, compute = models.get(self.needs), self.compute
        return replace(self, needs=None, compute=lambda batch: compute(batch, model), model=called(model), network=True)

    @torch.no_grad()
    def take(self, batch: Batch) -> Tensor:
        """The values [B] of a batch, float32 on its device; NaN where they are undefined or not finite.

        Of a measure in decibels infinity is that of identical pictures, 100.

        Args:
            batch: pictures of one size.

        Raises:
            RetouchError: when the measure gives anything but a value for each edit.
        """
        if self.masked and batch.masks is None:
            return torch.full((len(batch),), torch.nan).to(batch.inputs)
        values = self.compute(batch)
        if tuple(values.shape) != (len(batch),):
            raise RetouchError(f"the measure {self.name} gave {tuple(values.shape)} values for {len(batch)} edits.")
        values = values.to(batch.inputs)
        if self.unit == DECIBELS:
            values = values.clamp(max=IDENTICAL)
        return values.where(values.isfinite(), torch.nan)


@dataclass(frozen=True, kw_only=True)
class SetMeasure(Quantity):
    """One figure of all edits of a method together, against the inputs.

    Attributes:
        needs: what loads the model that looks.
        features: of pictures [B, 3, H, W] in 0..1 and the model: [B, D].
        distance: of the inputs' features [N, D] and the edits' [M, D].
        region: the part of the pictures that counts; cases without a mask have none.
        groups: under which names it goes with others.
    """

    needs: Callable[[Models], Any]
    features: Callable[[Tensor, Any], Tensor]
    distance: Callable[[Tensor, Tensor], float]
    region: Region = ""
    groups: tuple[str, ...] = ()
