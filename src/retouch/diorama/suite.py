"""The painted world as a suite: held-out edit pairs whose right answer is known, and the judge's verdict on edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from retouch.diorama.pairs import KINDS, EditPair, asked_and_kept, edit_pair
from retouch.diorama.textures import SIDE, factor_of
from retouch.errors import BadParameter
from retouch.quantity import Quantity
from retouch.suites.suite import Case, Entry, Suite, option

HELD_OUT_FROM = 1000
"""The first seed: the recommended settings of the methods were chosen on lower ones."""

VERDICTS = (
    Quantity("asked", "asked change is there", "%", "higher", "every asked attribute is there", "changed"),
    Quantity("kept", "other attributes kept", "%", "higher", "share of the other attributes as they were", "kept"),
    Quantity("both", "asked change there, all else kept", "%", "higher", "both at once", "changed"),
)
"""What the judge says of edits, see :func:`judged`."""

_JUDGED = ("subject", "colour", "pose", "place", "accessory", "style")


@dataclass(eq=False)
class DioramaSuite(Suite):
    """Edit kinds × held-out scenes; see :func:`retouch.diorama.pairs.edit_pair`.

    Args:
        kinds: some of :data:`retouch.diorama.pairs.KINDS`, or as one text with commas between them; none for all.
        count: scenes of each kind.
        start: the first scene's seed.
        side: of the pictures in pixels, one of :data:`retouch.diorama.textures.SIDES`; the judge looks at every edit
            reduced to 128.

    Raises:
        BadParameter: for an unknown kind, no scene, or a side at which nothing is painted.
    """

    name = "diorama"
    summary = "held-out scenes of the painted world, with source prompts, masks and the right answers"
    verdicts = VERDICTS
    main = ("both",)

    kinds: str | Sequence[str] = option("edit kinds separated by commas, all where none is named", default="")
    count: int = option("scenes of each kind", default=20, low=1)
    start: int = option("the first scene's seed", default=HELD_OUT_FROM, low=0)
    side: int = option("of the pictures in pixels: 128, 256, 512 or 1024", default=SIDE, low=SIDE)

    def __post_init__(self) -> None:
        kinds = self.kinds.split(",") if isinstance(self.kinds, str) else self.kinds
        kinds = [kind.strip() for kind in kinds if kind.strip()] or KINDS
        if self.count < 1 or self.start < 0:
            raise BadParameter(f"count is {self.count} and start is {self.start}, expected at least 1 and 0.")
        for kind in kinds:
            if kind not in KINDS:
                raise BadParameter(f"there is no edit kind {kind!r}; the kinds are: {', '.join(KINDS)}.")
        factor_of(self.side)
        self.entries = [_entry(kind, self.start + i) for i in range(self.count) for kind in dict.fromkeys(kinds)]
        self.identity = {
            "suite": self.name, "kinds": sorted(set(kinds)), "count": self.count, "start": self.start,
        }  # fmt: skip
        if self.side != SIDE:
            self.identity["side"] = self.side

    def case(self, entry: Entry) -> Case:
        """Paints the picture, the region that may change and the right answer.

        Args:
            entry: one of ``entries``.
        """
        pair = edit_pair(entry.kind, entry.about["seed"], self.side)
        return Case(entry, pair.picture, pair.mask, pair.truth)

    def judge(self, cases: Sequence[Case], edits: Sequence[Image.Image]) -> dict[str, list[float]]:
        """What the judge network sees in the edits, each 0..1; see :attr:`verdicts`.

        Args:
            cases, edits: the cases, and an edit of each.
        """
        return judged(cases, edits)


def judged(cases: Sequence[Case], edits: Sequence[Image.Image]) -> dict[str, list[float]]:
    """What the judge network sees in edits of painted cases, each 0..1, by the names of :data:`VERDICTS`."""
    from retouch.diorama.judge import load_judge  # torch is imported late

    asked, kept = [], []
    for saw, case in zip(load_judge().look([_small(edit) for edit in edits]), cases, strict=True):
        about = case.entry.about
        asked.append(float(all(saw[name] == value for name, value in about["asked"].items())))
        right = [saw[name] == value for name, value in about["kept"].items()]
        kept.append(sum(right) / len(right))
    return {"asked": asked, "kept": kept, "both": [float(a == k == 1) for a, k in zip(asked, kept, strict=True)]}


def _small(edit: Image.Image) -> Image.Image:
    """An edit at the size that the judge learnt on."""
    return edit if edit.size == (SIDE, SIDE) else edit.resize((SIDE, SIDE), Image.Resampling.BOX)


def _entry(kind: str, seed: int) -> Entry:
    pair = edit_pair(kind, seed)
    about = {"seed": seed, **judged_of(pair)}
    return Entry(f"{kind.replace(' ', '-')}-{seed}", kind, pair.target_prompt, pair.source_prompt, about)


def judged_of(pair: EditPair) -> dict[str, dict[str, str]]:
    """What the judge looks for in edits of a pair: the values "asked" for, and those to be "kept", by attribute."""
    asked, kept = asked_and_kept(pair)
    names = {*_JUDGED, pair.kind}  # a direction or variant counts where it is what was asked

    def values(attributes: Sequence[str], among: set[str]) -> dict[str, str]:
        return {name: getattr(pair.target, name) or "none" for name in attributes if name in among}

    return {"asked": values(asked, names), "kept": values(kept, set(_JUDGED))}
