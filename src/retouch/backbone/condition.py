"""What a text says to a network: token embeddings, and whatever else its family conditions on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from retouch.errors import BadFit


@dataclass(frozen=True, eq=False)
class Condition:
    """A batch of texts as a network takes them; nothing outside the backbone asks what is in it.

    Attributes:
        embeds: token embeddings, float32 [B, tokens, dim].
        pooled: one vector per text [B, dim], for families that take one.
        sizes: size and crop numbers [B, n], for families that take them.
    """

    embeds: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.embeds)

    def at(self, index: int) -> Condition:
        """The condition at a schedule index: this one, at every index."""
        return self

    def split(self) -> list[Condition]:
        """The texts one by one."""
        return [Condition(**{name: value[i : i + 1] for name, value in self._there()}) for i in range(len(self))]

    def expand(self, rows: int) -> Condition:
        """A single text for ``rows`` rows."""
        return Condition(**{name: value.expand(rows, *value.shape[1:]) for name, value in self._there()})

    def to(self, device: torch.device) -> Condition:
        """The same on another device."""
        return Condition(**{name: value.to(device) for name, value in self._there()})

    def with_embeds(self, embeds: Tensor) -> Condition:
        """Other token embeddings, all else as it is: what per-step and per-picture fits optimise."""
        return replace(self, embeds=embeds)

    @staticmethod
    def cat(conditions: Sequence[Condition]) -> Condition:
        """Several as one batch."""
        first = conditions[0]
        return Condition(**{name: torch.cat([getattr(one, name) for one in conditions]) for name, _ in first._there()})

    @staticmethod
    def lerp(start: Condition, end: Condition, share: float) -> Condition:
        """The straight mix: ``start`` at share 0, ``end`` at 1."""
        return Condition(**{name: torch.lerp(value, getattr(end, name), share) for name, value in start._there()})

    @staticmethod
    def slerp(start: Condition, end: Condition, share: float) -> Condition:
        """The mix along the sphere, each text as one long vector: ``start`` at share 0, ``end`` at 1.

        Sizes are ``start``'s.
        """
        there = {name: (value, getattr(end, name)) for name, value in start._there() if name != "sizes"}
        mixed = {name: slerp(share, a.flatten(1), b.flatten(1)).view_as(a) for name, (a, b) in there.items()}
        return replace(start, **mixed)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Its tensors by ``name``, ``name:pooled`` and ``name:sizes``, those there are, as a fit's file holds them."""
        return {name if part == "embeds" else f"{name}:{part}": value for part, value in self._there()}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor], name: str) -> Condition:
        """The inverse of :meth:`tensors`.

        Raises:
            BadFit: when there is none of that name.
        """
        if name not in tensors:
            raise BadFit(f"the fit holds no text {name!r}: make it anew with `retouch fit`.")
        return Condition(tensors[name], tensors.get(f"{name}:pooled"), tensors.get(f"{name}:sizes"))

    def _there(self) -> list[tuple[str, Tensor]]:
        return [(f.name, value) for f in fields(self) if (value := getattr(self, f.name)) is not None]


@dataclass(frozen=True, eq=False)
class StepwiseCondition:
    """A text that says something else at every schedule index."""

    steps: Sequence[Condition]

    def at(self, index: int) -> Condition:
        """The condition at a schedule index."""
        return self.steps[index]


def slerp(share: float, start: Tensor, end: Tensor) -> Tensor:
    """Spherical interpolation from ``start`` (share 0) to ``end`` (share 1) along the last dimension; same shapes."""
    if share == 0:
        return start
    if share == 1:
        return end
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = torch.arccos(cosine)
    sine = torch.sin(angle)
    curved = (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / sine.clamp(min=1e-6)
    return torch.where(sine < 1e-3, torch.lerp(start, end, share), curved)
