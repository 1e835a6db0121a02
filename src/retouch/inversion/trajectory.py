"""What every inversion yields: the latents on the way up, and the meaning of each text at each step down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retouch.backbone.schedule import Schedule
from retouch.branches import Row

Progress = Callable[[int], None]
"""Called with the number of steps just finished."""


@dataclass(frozen=True)
class Texts:
    """Prompt embeddings [1, tokens, dim] by name, or one such per schedule index.

    Names: "source", "target", "null" (the target's ∅), "source_null" (the source branch's ∅).
    """

    embeds: Mapping[str, Tensor | Sequence[Tensor]]

    def at(self, name: str, index: int) -> Tensor:
        """The embedding that ``name`` means at schedule index ``index``."""
        value = self.embeds[name]
        return value if isinstance(value, Tensor) else value[index]

    def batch(self, rows: Sequence[Row], index: int) -> Tensor:
        """The embeddings of ``rows`` as one batch [rows, tokens, dim]."""
        return torch.cat([self.at(row.text, index) for row in rows])

    def same(self, name: str, other: str) -> bool:
        """Whether two names mean the very same embedding at every step, so that one evaluation serves both."""
        return self.embeds[name] is self.embeds[other]


@dataclass(frozen=True)
class Trajectory:
    """An inverted picture.

    Attributes:
        schedule: its steps.
        latents: z*_0 … z*_T, each [1, C, h, w]; ``latents[i + 1]`` belongs to schedule index ``i``. Denoising starts
            from the last.
        texts: what the texts mean at each step down.
        path: where the source branch is known to pass, like ``latents``; None where it has to be denoised. With z*
            itself (latent-align) its reconstruction is exact.
    """

    schedule: Schedule
    latents: Sequence[Tensor]
    texts: Texts
    path: Sequence[Tensor] | None = None

    @property
    def start(self) -> Tensor:
        """The noisiest latent, from which the branches are denoised."""
        return self.latents[-1]

    @property
    def steps(self) -> int:
        """How many steps lead down from the start."""
        return len(self.latents) - 1
