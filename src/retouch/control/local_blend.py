"""Local blend (Prompt-to-Prompt): outside the region that the named words attend to, the target is the source."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.protocol import Backbone
from retouch.parts.edits import AttentionEdit
from retouch.parts.rows import SOURCE, TARGET, State, Step
from retouch.parts.word_maps import WordMaps


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
    maps: WordMaps = field(init=False)
    mask: Tensor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.maps = WordMaps({SOURCE: self.source_words, TARGET: self.target_words})

    def recorder(self, model: Backbone) -> AttentionEdit:
        """The attention edit that reads the maps; it changes nothing."""
        self.mask = None
        return self.maps.recorder(model)

    def apply(self, state: State, step: Step) -> State:
        """Blends the target with the source, from ``start`` on; keeps the last mask in ``mask`` [1, 1, h, w]."""
        source, target = state["source"], state["target"]
        h, w = target.shape[-2:]
        heats = [self.maps.picture(row, h, w) for row in (SOURCE, TARGET)]
        if step.within(self.start) or not any(heat is not None for heat in heats):
            return state
        region = torch.zeros(1, 1, h, w, dtype=target.dtype, device=target.device)
        for heat in heats:
            if heat is None:
                continue
            heat = functional.max_pool2d(heat, 3, stride=1, padding=1)
            inside = (heat / heat.max().clamp(min=1e-12) > self.threshold).to(target.dtype)
            region = torch.maximum(region, functional.interpolate(inside, (h, w), mode="nearest"))
        self.mask = region
        return {**state, "target": source + region * (target - source)}
