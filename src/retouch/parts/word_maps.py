"""Where in the picture the words look: cross-attention maps of named words, gathered while the branches run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.parts.edits import AttentionEdit
from retouch.parts.rows import Row, Step

_SMALLEST_SIDE = 8  # a mask of fewer cells than 8×8 says nothing


@dataclass
class WordMaps:
    """The words' maps, summed over heads' means, layers at a quarter of the latent's side, and the steps so far.

    Attributes:
        words: token positions by row; rows without words are not looked at.
        of_one_step: whether the maps of earlier steps are forgotten at each.
    """

    words: Mapping[Row, Sequence[int]]
    of_one_step: bool = False
    _number: int = field(default=-1, init=False)
    _sums: dict[Row, Tensor] = field(default_factory=dict, init=False)

    def recorder(self, model: Backbone) -> AttentionEdit:
        """The attention edit that reads the maps; it changes nothing. Earlier maps are forgotten."""
        self._sums.clear()
        places = {row: torch.tensor(list(words), device=model.device) for row, words in self.words.items() if words}
        return _Recorder(self, word_map_downsampling(model), places)

    def enter(self, step: Step) -> None:
        """Forgets, where only one step's maps are wanted, those of another."""
        if self.of_one_step and step.number != self._number:
            self._sums.clear()
        self._number = step.number

    def add(self, row: Row, heat: Tensor) -> None:
        """Adds one layer's map [queries] of one row."""
        self._sums[row] = self._sums[row] + heat if row in self._sums else heat

    def picture(self, row: Row, height: int, width: int) -> Tensor | None:
        """The row's sum as a picture [1, 1, rows, columns] of its level's cells; None before anything was seen.

        Args:
            height, width: of the latents, whose cells the level's cover.
        """
        if row not in self._sums:
            return None
        heat = self._sums[row]
        factor = round((height * width / heat.numel()) ** 0.5)
        return heat.reshape(1, 1, -(-height // factor), -(-width // factor)).float()


def word_map_downsampling(model: Backbone) -> int:
    """A quarter of the latent's side, but no smaller than 8×8 where the network has such a level."""
    levels = sorted({layer.downsampling for layer in model.attention_layers(kind="cross")})
    side = model.native_side // model.vae_factor
    fitting = [d for d in levels if d <= 4 and side // d >= _SMALLEST_SIDE]
    return max(fitting) if fitting else levels[0]


@dataclass(frozen=True)
class _Recorder(AttentionEdit):
    maps: WordMaps
    downsampling: int
    places: Mapping[Row, Tensor]  # of the words' tokens, on the device

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "cross" and layer.downsampling == self.downsampling

    def rows_with_probs(self, layer: AttentionLayer, step: Step) -> Sequence[Row]:
        return list(self.places)

    def change_probs(self, layer: AttentionLayer, step: Step, probs: dict[Row, Tensor]) -> dict[Row, Tensor]:
        self.maps.enter(step)
        for row, places in self.places.items():
            if row in probs:
                self.maps.add(row, probs[row].detach().index_select(-1, places).float().sum(-1).mean(0))
        return probs
