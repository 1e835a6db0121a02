"""The embedded pixel cascade: what it draws and edits is what was asked, as the judge sees it."""

import pytest

from retouch.diorama import edit_pair
from retouch.diorama.captions import caption
from retouch.diorama.evaluate import agreement, draw
from retouch.diorama.judge import load_judge
from retouch.diorama.scene import random_scene
from retouch.editor import Editor

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pixels")]


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama-pixels")


def test_it_draws_what_it_is_told(editor, judge):
    scenes = [random_scene(20_000_000 + i) for i in range(6)]
    pictures = draw(editor.model, [caption(scene, direction=True) for scene in scenes], seed=0)
    assert pictures.shape == (6, 128, 128, 3)
    figures = agreement("drawn", judge, scenes, pictures)
    assert sum(figures.values()) / len(figures) > 0.8  # random pictures: 0.2


def test_an_edit_changes_what_was_asked(editor, judge):
    pair = edit_pair("colour", seed=300)
    result = editor.edit(pair.picture, source=pair.source_prompt, target=pair.target_prompt, method="prompt-to-prompt")
    (seen,) = judge.look([result.image])
    assert seen["colour"] == pair.target.colour and seen["subject"] == pair.target.subject
    assert result.image.size == (128, 128)


@pytest.fixture(scope="module")
def judge():
    return load_judge()
