"""Edits in a row of painted scenes, there and back, as a suite: how far what nobody asked to change drifts away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from retouch.diorama.chains import CHAINED, changed_by, edit_chain
from retouch.diorama.pairs import EditPair
from retouch.diorama.suite import HELD_OUT_FROM, VERDICTS, judged, judged_of
from retouch.diorama.textures import SIDE
from retouch.errors import BadParameter
from retouch.suites.suite import Case, Entry, Suite, option


@dataclass(eq=False)
class Drift(Suite):
    """Chains of edits; see :func:`retouch.diorama.chains.edit_chain`.

    Args:
        kinds: some of :data:`retouch.diorama.chains.CHAINED`, or as one text with commas between them.
        edits: how many each chain has.
        count: chains.
        start: the first scene's seed.
        side: of the pictures in pixels, one of :data:`retouch.diorama.textures.SIDES`.

    Raises:
        BadParameter: for an unknown kind, no chain, or a side at which nothing is painted.
    """

    name = "drift"
    summary = "edits in a row, there and back, each on the result of the one before: how far the rest drifts away"
    verdicts = VERDICTS
    main = ("both",)

    kinds: str | Sequence[str] = option(
        f"what is asked in turn, separated by commas, of {', '.join(CHAINED)}", default="colour,accessory"
    )
    edits: int = option("in a row", default=6, low=1)
    count: int = option("chains", default=10, low=1)
    start: int = option("the first scene's seed", default=HELD_OUT_FROM, low=0)
    side: int = option("of the pictures in pixels: 128, 256, 512 or 1024", default=SIDE, low=SIDE)

    def __post_init__(self) -> None:
        kinds = self.kinds.split(",") if isinstance(self.kinds, str) else self.kinds
        self._kinds = tuple(dict.fromkeys(kind.strip() for kind in kinds if kind.strip()))
        if self.count < 1 or self.start < 0:
            raise BadParameter(f"count is {self.count} and start is {self.start}, expected at least 1 and 0.")
        self.entries = [
            _entry(pair, seed, number)
            for seed in range(self.start, self.start + self.count)
            for number, pair in enumerate(edit_chain(self._kinds, seed, self.edits, self.side), 1)
        ]
        self.identity = {
            "suite": self.name, "kinds": list(dict.fromkeys(entry.kind for entry in self.entries)),
            "asked": list(self._kinds), "count": self.count, "start": self.start,
        }  # fmt: skip
        if self.side != SIDE:
            self.identity["side"] = self.side

    def case(self, entry: Entry) -> Case:
        """Paints the first picture, the region that the chain may change and what is right after this edit."""
        chain = _painted(self._kinds, entry.about["seed"], self.edits, self.side)
        return Case(entry, chain[0].picture, changed_by(chain), chain[entry.step - 1].truth)

    def judge(self, cases: Sequence[Case], edits: Sequence[Image.Image]) -> dict[str, list[float]]:
        """What the judge network sees in the edits, each 0..1; see :attr:`verdicts`."""
        return judged(cases, edits)


@lru_cache(maxsize=1)
def _painted(kinds: tuple[str, ...], seed: int, edits: int, side: int) -> list[EditPair]:
    """The chain that is at hand, painted once for all its edits."""
    return edit_chain(kinds, seed, edits, side)


def _entry(pair: EditPair, seed: int, number: int) -> Entry:
    about = {"seed": seed, "attribute": pair.kind, **judged_of(pair)}
    kind = f"edit {number}"
    return Entry(
        f"{seed}-{number:03}", kind, pair.target_prompt, pair.source_prompt, about, chain=str(seed), step=number
    )
