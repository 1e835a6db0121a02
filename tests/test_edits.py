"""Real edits by the real embedded model, at the settings a user gets, looked at by the judge."""

import numpy as np
import pytest

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import asked_and_kept, edit_pairs
from retouch.editor import Editor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("edits")]

SHOWN = ("subject", "colour", "pose", "place", "accessory", "style")


@pytest.fixture(scope="module")
def edited():
    """By kind: the pairs, their edits with the default method, and what the judge sees in them."""
    editor, judge = Editor.from_pretrained("diorama"), load_judge()

    def edits(kind, count, start):
        pairs = list(edit_pairs(kind, count, start))
        images = [editor.edit(p.picture, source=p.source_prompt, target=p.target_prompt).image for p in pairs]
        return list(zip(pairs, images, judge.look(images), strict=True))

    return {kind: edits(kind, 3, 500) for kind in ("colour", "place", "accessory")}


@pytest.mark.parametrize("kind", ["colour", "place", "accessory"])
def test_the_asked_change_is_there_and_the_rest_is_kept(edited, kind):
    asked, kept = [], []
    for pair, _, seen in edited[kind]:
        changed, same = asked_and_kept(pair)
        asked += [seen[name] == (getattr(pair.target, name) or "none") for name in changed if name in SHOWN]
        kept += [seen[name] == (getattr(pair.target, name) or "none") for name in same if name in SHOWN]
    assert np.mean(asked) >= 2 / 3
    assert np.mean(kept) >= 0.8


@pytest.mark.parametrize("kind", ["colour", "accessory"])
def test_what_need_not_change_stays_near_the_picture(edited, kind):
    for pair, image, _ in edited[kind]:
        outside = np.asarray(pair.mask) == 0
        difference = (np.asarray(image, float) - np.asarray(pair.picture, float))[outside]
        assert np.abs(difference).mean() < 25  # of 255; another scene altogether differs by 60 and more
