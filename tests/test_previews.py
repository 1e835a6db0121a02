"""Previews: an edit is seen while it comes about, and is the same as unseen."""

import numpy as np
import pytest
from PIL import Image

from retouch import Editor
from retouch.errors import BadParameter
from tests.tiny import tiny_backbone

PICTURE = Image.new("RGB", (20, 14), "red")


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor(tiny_backbone(tmp_path_factory.mktemp("models")))


def edit(editor, method, **more):
    settings = {"num_inference_steps": 3, "keep": "off", **more}
    return editor.edit(PICTURE, source="a red cat", target="a blue cat", method=method, **settings)


@pytest.mark.parametrize("method", ["prox-npi", "ddim"])
def test_an_edit_is_seen_once_at_every_step_and_comes_out_as_unseen(editor, method):
    seen = []
    shown = edit(editor, method, preview=lambda draw: seen.append(draw()))
    assert [one.size for one in seen] == [PICTURE.size] * 3
    assert np.array_equal(np.asarray(shown.image), np.asarray(edit(editor, method).image))


def test_the_last_preview_is_the_edit_as_drawn_but_for_the_noise_of_the_lowest_level(editor):
    seen = []
    shown = edit(editor, "ddim", preview=lambda draw: seen.append(np.asarray(draw())))
    assert np.abs(seen[-1].astype(int) - np.asarray(shown.drawn)).max() <= 8


def test_samples_from_a_fit_are_seen_too(editor):
    seen = []
    fast = {"embedding_steps": 1, "network_steps": 1}
    edit(editor, "imagic", preview=lambda draw: seen.append(draw().size), **fast)
    assert seen == [PICTURE.size] * 3


def test_what_a_preview_raises_ends_the_edit_at_that_step_and_leaves_the_model_as_it_was(editor):
    class Enough(Exception):
        pass

    steps = []

    def stop(draw):
        raise Enough

    before = np.asarray(edit(editor, "prox-npi").image)
    with pytest.raises(Enough):
        edit(editor, "prox-npi", preview=stop, progress=lambda done, total: steps.append(done))
    assert steps == [1, 2, 3, 4]  # the inversion, and one step down
    assert np.array_equal(before, np.asarray(edit(editor, "prox-npi").image))


def test_a_preview_that_is_no_function_is_refused(editor):
    with pytest.raises(BadParameter, match="preview is"):
        edit(editor, "ddim", preview=3)
