"""The painted world as a suite: held-out edit pairs whose right answer is known, and the judge's verdict on edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import KINDS, asked_and_kept, edit_pair
from retouch.errors import BadParameter
from retouch.suites.suite import Case, Entry, Suite

HELD_OUT_FROM = 1000
"""The first seed: the recommended settings of the methods were chosen on lower ones."""

VERDICTS = {
    "asked": {"title": "asked change is there", "unit": "%", "better": "higher"},
    "kept": {"title": "other attributes kept", "unit": "%", "better": "higher"},
    "both": {"title": "asked change there, all else kept", "unit": "%", "better": "higher"},
}
"""The titles of what :func:`verdicts` says."""

_JUDGED = ("subject", "colour", "pose", "place", "accessory", "style")


class DioramaSuite(Suite):
    """Edit kinds × held-out scenes; see :func:`retouch.diorama.pairs.edit_pair`.

    Args:
        kinds: some of :data:`retouch.diorama.pairs.KINDS`.
        count: scenes of each kind.
        start: the first scene's seed.

    Raises:
        BadParameter: for an unknown kind, or no scene.
    """

    name = "diorama"

    def __init__(self, kinds: Sequence[str] = KINDS, count: int = 20, start: int = HELD_OUT_FROM) -> None:
        if count < 1 or start < 0:
            raise BadParameter(f"count is {count} and start is {start}, expected at least 1 and 0.")
        for kind in kinds:
            if kind not in KINDS:
                raise BadParameter(f"there is no edit kind {kind!r}; the kinds are: {', '.join(KINDS)}.")
        self.entries = [_entry(kind, start + i) for i in range(count) for kind in dict.fromkeys(kinds)]
        self.identity = {"suite": self.name, "kinds": sorted(set(kinds)), "count": count, "start": start}

    def case(self, entry: Entry) -> Case:
        """Paints the picture, the region that may change and the right answer."""
        pair = edit_pair(entry.kind, entry.about["seed"])
        return Case(entry, pair.picture, pair.mask, pair.truth)


def verdicts(pictures: Sequence[Image.Image], abouts: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """What the judge says of edits, each 0..1.

    Args:
        abouts: the entries' ``about``, one for each picture.

    Returns:
        ``asked``: 1 where every asked attribute is there; ``kept``: the share of the other attributes that are as they
        were; ``both``: 1 where the asked ones are there and all others kept.
    """
    asked, kept = [], []
    for saw, about in zip(load_judge().look(pictures), abouts, strict=True):
        asked.append(float(all(saw[name] == value for name, value in about["asked"].items())))
        right = [saw[name] == value for name, value in about["kept"].items()]
        kept.append(sum(right) / len(right))
    return {"asked": asked, "kept": kept, "both": [float(a == k == 1) for a, k in zip(asked, kept, strict=True)]}


def _entry(kind: str, seed: int) -> Entry:
    pair = edit_pair(kind, seed)
    asked, kept = asked_and_kept(pair)
    names = {*_JUDGED, kind}  # a direction or variant counts where it is what was asked

    def values(attributes: Sequence[str], among: set[str]) -> dict[str, str]:
        return {name: getattr(pair.target, name) or "none" for name in attributes if name in among}

    about = {"seed": seed, "asked": values(asked, names), "kept": values(kept, set(_JUDGED))}
    return Entry(f"{kind.replace(' ', '-')}-{seed}", kind, pair.target_prompt, pair.source_prompt, about)
