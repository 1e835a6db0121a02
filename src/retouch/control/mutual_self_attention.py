"""Mutual self-attention (MasaCtrl, Cao et al. 2023): the target looks up what it shows in the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.protocol import Backbone
from retouch.control.words import prompts_of
from retouch.errors import BadParameter, BadPrompt
from retouch.parameters import parameter
from retouch.parts.asked import Asked, Idle
from retouch.parts.edits import AttentionEdit
from retouch.parts.job import Job
from retouch.parts.part import Control
from retouch.parts.rows import SOURCE, SOURCE_NULL, TARGET, TARGET_NEGATIVE, TARGET_NULL, Row, Step, picked, variants_of
from retouch.parts.word_maps import WordMaps
from retouch.prompts import find_words

_PAIRS = (
    (TARGET, (SOURCE,)),
    *((row, (SOURCE_NULL, SOURCE)) for row in (TARGET_NULL, TARGET_NEGATIVE)),
)
"""Which source row, the first that is there, serves which target row."""


@dataclass
class MutualSelfAttention(Control):
    """Attention(Q_tgt, K_src, V_src) from step S on, in the finest decoder levels, in both guidance halves.

    The target's layout forms freely in the first steps; afterwards its queries fetch their content from the source,
    so that a changed pose or outline keeps its look. Where the source runs at guidance 1 its one row serves both
    halves.

    The masked variant (section 3.3) splits foreground and background: the target's queries inside its object's mask
    see only the keys inside the source's, those outside only the keys outside. The masks come from the
    cross-attention of named words, as far as the current step has computed it (the authors' code), or from the user:
    the edit's ``foreground``, one for both branches.
    """

    name: ClassVar[str] = "mutual-self-attention"
    summary: ClassVar[str] = "the target looks its content up in the source; poses and outlines may change"
    aliases: ClassVar[tuple[str, ...]] = ("masactrl",)
    shares: ClassVar[bool] = True
    reads_source_null: ClassVar[bool] = True
    takes_foreground: ClassVar[bool] = True

    start_step: int = parameter(
        4, "S: the first step, from 0, that shares; before it the new layout forms", low=0, high=999, unit="step",
        source="MasaCtrl, section 3.2",
    )  # fmt: skip
    decoder_levels: int = parameter(
        2, "how many of the finest decoder levels share: 2 is Stable Diffusion's layers from L = 10 up",
        low=1, high=8, source="MasaCtrl, section 3.2",
    )  # fmt: skip
    mask_words: str = parameter(
        "none", "words of both prompts whose region is the foreground: it looks only at the source's, the rest only at "
        "the rest; 'none' for no split (a foreground given by hand splits, too)",
        kind="text", source="MasaCtrl, section 3.3",
    )  # fmt: skip
    mask_threshold: float = parameter(
        0.1, "how much of the mask words' attention counts as foreground", low=0, high=1, source="MasaCtrl's code"
    )
    _by_hand: Tensor | None = field(default=None, init=False)
    _maps: WordMaps | None = field(default=None, init=False)
    _size: tuple[int, int] = field(default=(0, 0), init=False)

    def check(self, steps: int) -> None:
        """Refuses a start after the end."""
        if self.start_step >= steps:
            there = "is only 1 step" if steps == 1 else f"are only {steps} steps"
            raise BadParameter(
                f"start_step is {self.start_step}, but there {there}, so nothing would be shared: "
                "take more num_inference_steps or an earlier start_step."
            )

    @property
    def _names_words(self) -> bool:
        return self.mask_words.strip().lower() not in ("none", "")

    def idle(self, asked: Asked) -> Idle:
        """Words beside a foreground by hand, and the threshold of words that are not looked for."""
        if asked.foreground:
            found = {"mask_threshold": "it is given what is foreground"}
            return found | ({"mask_words": "it is given what is foreground"} if self._names_words else {})
        return {} if self._names_words else {"mask_threshold": "mask_words names no words"}

    def prepare(self, job: Job) -> None:
        """The user's foreground, or the words' where these are named."""
        self._by_hand, self._maps, self._size = job.foreground, None, (job.latents.shape[-2], job.latents.shape[-1])
        if job.foreground is not None or not self._names_words:
            return
        if not job.source:
            raise BadPrompt(
                f"mask_words is {self.mask_words!r}, but there is no source prompt to find them in: say what the "
                "picture shows, or give a foreground."
            )
        source, target = prompts_of(job)
        words = {SOURCE: find_words(source, self.mask_words), TARGET: find_words(target, self.mask_words)}
        self._maps = WordMaps(words, of_one_step=True)

    def edits(self, model: Backbone) -> Sequence[AttentionEdit]:
        """The sharing, and the reading of the words' maps where masks come from words."""
        attending = sorted({layer.level for layer in model.attention_layers(place="up", kind="self")})
        sharing = _Sharing(self, self._maps, frozenset(attending[: self.decoder_levels]))
        return [sharing, self._maps.recorder(model)] if self._maps else [sharing]

    def inside(self, row: Row, queries: int) -> Tensor | None:
        """Which of a layer's cells [queries] show the object of ``row``'s branch (bool); None without masks."""
        heat = self._by_hand
        if heat is None and self._maps is not None:
            heat = self._maps.picture(row, *self._size)
            if heat is not None:
                heat = (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-12)
        if heat is None:
            return None
        h, w = self._size
        factor = round((h * w / queries) ** 0.5)
        size = (-(-h // factor), -(-w // factor))
        cells = functional.interpolate(heat.float(), size, mode="nearest").flatten()
        return cells >= self.mask_threshold if self._by_hand is None else cells > 0.5


@dataclass(frozen=True)
class _Sharing(AttentionEdit):
    control: MutualSelfAttention
    maps: WordMaps | None
    levels: frozenset[int]

    def wants(self, layer: AttentionLayer) -> bool:
        return layer.kind == "self" and layer.place == "up" and layer.level in self.levels

    def _pairs(self, step: Step) -> list[tuple[Row, Row]]:
        if step.number < self.control.start_step:
            return []
        pairs = []
        for target, sources in _PAIRS:
            there = [source for source in sources if source in step.rows]
            if there:
                pairs += [(row, there[0]) for row in variants_of(target, step.rows)]
        return pairs

    def change_qkv(
        self, layer: AttentionLayer, step: Step, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows, served = list(step.rows), dict(self._pairs(step))
        if not served:
            return query, key, value
        order = [rows.index(served.get(row, row)) for row in rows]
        return query, picked(key, order), picked(value, order)

    def allowed(self, layer: AttentionLayer, step: Step, queries: int, keys: int) -> dict[Row, Tensor]:
        masks: dict[Row, Tensor] = {}
        if self.maps:
            self.maps.enter(step)
        for target, _ in self._pairs(step):
            of_keys, of_queries = self.control.inside(SOURCE, keys), self.control.inside(TARGET, queries)
            if of_keys is not None and of_queries is not None:
                # a mask of all or nothing splits nothing, and would leave queries without a key
                splits = of_keys.any() & ~of_keys.all()
                masks[target] = (of_queries[:, None] == of_keys[None, :]) | ~splits
        return masks
