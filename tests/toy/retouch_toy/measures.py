"""Toy measures: one of an edit, one that needs a model, and one of all edits together."""

from __future__ import annotations

import torch

from retouch.measures.measure import Measure, SetMeasure
from retouch.measures.models import Models


class Eye:
    """A model: it sees the mean colour, each channel as much as it was told to."""

    name, fingerprint = "eye", "0123456789abcdef"

    def look(self, pictures: torch.Tensor) -> torch.Tensor:
        """[B, 3] from [B, 3, H, W] in 0..1."""
        return pictures.mean((2, 3)) * torch.tensor([0.3, 0.6, 0.1], device=pictures.device)


def eye(models: Models) -> Eye:
    """The model; one that lies on a disk would be read here."""
    return Eye()


MEASURES = (
    Measure(
        "brightness", "shift of brightness", better="zero", help="mean of the edit minus mean of the input, -1..1",
        groups=("toys",), compute=lambda batch: (batch.edits - batch.inputs).mean((1, 2, 3)),
    ),
    Measure(
        "seen.inside", "what the eye sees inside the mask", better="lower", help="its distance, 0 up", masked=True,
        groups=("toys",), needs=eye,
        compute=lambda batch, eye: (
            eye.look(batch.edits * batch.inside) - eye.look(batch.inputs * batch.inside)
        ).norm(dim=1),
    ),
    SetMeasure(
        "spread", "distance of the means", better="lower", help="of what the eye sees in all edits and all inputs",
        needs=eye, features=lambda pictures, eye: eye.look(pictures),
        distance=lambda inputs, edits: float((inputs.mean(0) - edits.mean(0)).norm()),
    ),
)  # fmt: skip
