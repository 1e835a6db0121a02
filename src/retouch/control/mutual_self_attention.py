"""Mutual self-attention (MasaCtrl, Cao et al. 2023): the target looks up what it shows in the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from retouch.attach import AttentionEdit, BlockEdit, Moment
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.model import Backbone
from retouch.branches import SOURCE, SOURCE_NULL, TARGET, TARGET_NULL, Row, State, Step
from retouch.control.word_maps import WordMaps

_PAIRS = ((TARGET, (SOURCE,)), (TARGET_NULL, (SOURCE_NULL, SOURCE)))
"""Which source row, the first that is there, serves which target row."""


class MutualSelfAttention:
    """Attention(Q_tgt, K_src, V_src) from step S on, in the finest decoder levels, in both guidance halves.

    The target's layout forms freely in the first steps; afterwards its queries fetch their content from the source,
    so that a changed pose or outline keeps its look. Where the source runs at guidance 1 its one row serves both
    halves.

    The masked variant (section 3.3) splits foreground and background: the target's queries inside its object's mask
    see only the keys inside the source's, those outside only the keys outside. The masks come from the
    cross-attention of named words, summed over the steps so far (the authors' code: of the current step alone), or
    from the user, one for both branches.

    Args:
        start_step: S, the first step with sharing, from 0.
        decoder_levels: how many of the finest decoder levels that attend share; 2 is Stable Diffusion's layers from
            L = 10 up.
        source_words, target_words: token positions of the object's words in each prompt; none for the plain variant.
        threshold: of the normalised maps, 0..1.
        mask: [1, 1, h, w] at the latents' size, the object in both branches, in place of the words.
        size: (h, w) of the latents, to lay the words' maps out; needed with words only.
    """

    reads_source_null = True

    def __init__(
        self,
        *,
        start_step: int = 4,
        decoder_levels: int = 2,
        source_words: Sequence[int] = (),
        target_words: Sequence[int] = (),
        threshold: float = 0.1,
        mask: Tensor | None = None,
        size: tuple[int, int] = (0, 0),
    ) -> None:
        self.start_step, self.decoder_levels, self.threshold, self.mask = start_step, decoder_levels, threshold, mask
        self.maps = WordMaps({SOURCE: source_words, TARGET: target_words}) if source_words and target_words else None
        self.size = size if mask is None else (mask.shape[-2], mask.shape[-1])

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The sharing, and the reading of the words' maps where masks come from words."""
        attending = sorted({layer.level for layer in model.attention_layers(place="up", kind="self")})
        sharing = _Sharing(self, frozenset(attending[: self.decoder_levels]))
        return [sharing, self.maps.recorder(model)] if self.maps else [sharing]

    def block_edits(self, model: Backbone) -> Sequence[BlockEdit]:
        """None."""
        return ()

    def after_step(self, state: State, step: Step) -> State:
        """The state as it is."""
        return state

    def inside(self, row: Row, cells: int) -> Tensor | None:
        """Which of a layer's ``cells`` [cells] show the object of ``row``'s branch (bool); None without masks."""
        heat = self.mask
        if heat is None and self.maps is not None:
            heat = self.maps.picture(row, *self.size)
            if heat is not None:
                heat = (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-12)
        if heat is None:
            return None
        limit = self.threshold if self.mask is None else 0.5
        h, w = self.size
        factor = round((h * w / cells) ** 0.5)
        size = (-(-h // factor), -(-w // factor))
        return functional.interpolate(heat.float(), size, mode="nearest").flatten() > limit


@dataclass(frozen=True)
class _Sharing(AttentionEdit):
    control: MutualSelfAttention
    levels: frozenset[int]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self" and layer.place == "up" and layer.level in self.levels

    def _pairs(self, moment: Moment) -> list[tuple[Row, Row]]:
        if moment.number < self.control.start_step:
            return []
        pairs = []
        for target, sources in _PAIRS:
            there = [source for source in sources if source in moment.rows]
            if target in moment.rows and there:
                pairs.append((target, there[0]))
        return pairs

    def change_qkv(
        self, layer: AttentionLayer, moment: Moment, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, served = list(moment.rows), dict(self._pairs(moment))
        if not served:
            return query, key, value
        order = [rows.index(served.get(row, row)) for row in rows]
        return query, key[order], value[order]

    def allowed(self, layer: AttentionLayer, moment: Moment, queries: int, keys: int) -> dict[Row, Tensor]:
        masks: dict[Row, Tensor] = {}
        for target, _ in self._pairs(moment):
            of_keys, of_queries = self.control.inside(SOURCE, keys), self.control.inside(TARGET, queries)
            # a mask of all or nothing splits nothing, and would leave queries without a key
            if of_keys is not None and of_queries is not None and of_keys.any() and not of_keys.all():
                masks[target] = of_queries[:, None] == of_keys[None, :]
        return masks
