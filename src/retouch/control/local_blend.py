"""Local blend (Prompt-to-Prompt): outside the region that the named words attend to, the target is the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import SOURCE, TARGET, Row, State, Step
from retouch.control.attach import Moment

_SMALLEST_SIDE = 8  # a mask of fewer cells than 8×8 says nothing


@dataclass
class LocalBlend:
    """z_tgt ← z_src + M (z_tgt − z_src) with M the union of both branches' word regions.

    The words' cross-attention maps at a quarter of the latent's side are averaged over heads, layers and the steps so
    far, max-pooled 3×3, divided by their maximum and thresholded (Hertz et al. 2022, section 3.2 and their code).

    Attributes:
        source_words, target_words: token positions whose regions may change, in each prompt.
        threshold: 0..1 of the maximum.
        start: the share of the steps before blending begins, 0..1.
    """

    source_words: tuple[int, ...]
    target_words: tuple[int, ...]
    threshold: float = 0.3
    start: float = 0.2
    _maps: dict[Row, Tensor] = field(default_factory=dict, init=False)
    mask: Tensor | None = field(default=None, init=False)

    def recorder(self, model: Backbone) -> _Recorder:
        """The attention edit that reads the maps; it changes nothing."""
        self._maps.clear()
        self.mask = None
        return _Recorder(self, _blend_downsampling(model))

    def apply(self, state: State, step: Step) -> State:
        """Blends the target with the source, from ``start`` on; keeps the last mask in ``mask`` [1, 1, h, w]."""
        if step.done < self.start or not self._maps:
            return state
        source, target = state["source"], state["target"]
        h, w = target.shape[-2:]
        region = torch.zeros(1, 1, h, w, dtype=target.dtype, device=target.device)
        for row in (SOURCE, TARGET):
            if row not in self._maps:
                continue
            heat = _as_picture(self._maps[row], h, w)
            heat = functional.max_pool2d(heat, 3, stride=1, padding=1)
            inside = (heat / heat.max().clamp(min=1e-12) > self.threshold).to(target.dtype)
            region = torch.maximum(region, functional.interpolate(inside, (h, w), mode="nearest"))
        self.mask = region
        return {**state, "target": source + region * (target - source)}

    def add(self, row: Row, heat: Tensor) -> None:
        """Adds one layer's map [queries] of one branch."""
        self._maps[row] = self._maps[row] + heat if row in self._maps else heat


def _as_picture(heat: Tensor, h: int, w: int) -> Tensor:
    """[queries] → [1, 1, rows, columns] of the level whose cells are the queries."""
    factor = round((h * w / heat.numel()) ** 0.5)
    return heat.reshape(1, 1, -(-h // factor), -(-w // factor)).float()


def _blend_downsampling(model: Backbone) -> int:
    """A quarter of the latent's side, but no smaller than 8×8 where the network has such a level."""
    levels = sorted({layer.downsampling for layer in model.attention_layers(kind="cross")})
    side = model.native_side // model.vae_factor
    fitting = [d for d in levels if d <= 4 and side // d >= _SMALLEST_SIDE]
    return max(fitting) if fitting else levels[0]


@dataclass(frozen=True)
class _Recorder:
    """Reads the maps of the blend words; an attention edit that changes nothing."""

    blend: LocalBlend
    downsampling: int

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "cross" and layer.downsampling == self.downsampling

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return query, key, value

    def rows_with_probs(self, layer: AttentionLayer, moment: Moment) -> Sequence[Row]:
        return [SOURCE, TARGET]

    def change_probs(self, layer: AttentionLayer, moment: Moment, probs: dict[Row, Tensor]) -> dict[Row, Tensor]:
        for row, words in ((SOURCE, self.blend.source_words), (TARGET, self.blend.target_words)):
            if row in probs and words:
                self.blend.add(row, probs[row].detach()[:, :, list(words)].float().sum(-1).mean(0))
        return probs
