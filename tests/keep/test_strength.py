"""One slider for every method: 0 is the picture, 1 the full edit, and more is more."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.methods.registry import methods
from tests.keep.test_edits_kept import WORDS, few, same

pytestmark = pytest.mark.slow

OWN = {"sdedit", "cycle-diffusion"}
"""Methods that have a parameter of this name."""
ALIKE = {"ddim", "ddib", "imagic", "negative-prompt", "null-text", "prompt-tuning", "prox-masactrl"}
"""Methods that are held to the picture as another one of the list is."""


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


@pytest.fixture(scope="module")
def picture():
    return paint(scene_for(WORDS["source"], 3))[0]


def away(one, other):
    return float(np.abs(np.asarray(one, float) - np.asarray(other)).mean())


@pytest.mark.parametrize("name", sorted(methods().keys() - ALIKE))
def test_zero_is_the_picture_one_the_full_edit_and_more_is_more(editor, picture, name):
    steps = 10 if name == "diffedit" else 5  # of which DiffEdit denoises half

    @cache
    def edit(strength, keep="off"):
        given = {**few(name), "num_inference_steps": steps}
        return editor.edit(picture, **WORDS, method=name, keep=keep, strength=strength, **given)

    nothing = edit(0.0, keep="auto")
    assert same(picture, nothing.image).all() and nothing.untouched == 1
    assert nothing.evaluations <= edit(1.0).evaluations
    moved = [away(edit(strength).image, edit(0.0).image) for strength in (0.0, 0.35, 0.7, 1.0)]
    assert moved[0] <= 0.1 and moved == sorted(moved) and moved[-1] > 2 * max(0.5, moved[1] / 2)
    if name not in OWN:
        assert same(edit(1.0).image, edit(None).image).all()


@pytest.mark.parametrize("name", ["ddim", "edit-friendly", "ledits-pp"])
def test_a_strength_is_a_mask_of_that_grey_everywhere(editor, picture, name):
    given = {**WORDS, "method": name, "keep": "off", "num_inference_steps": 10}
    masked = editor.edit(picture, **given, mask=Image.new("L", picture.size, 153))
    assert away(editor.edit(picture, **given, strength=0.6).image, masked.image) < 0.02


def test_held_steps_are_not_computed(editor, picture):
    costs = [
        editor.edit(picture, **WORDS, method="ddim", num_inference_steps=20, strength=strength, keep="off").evaluations
        for strength in (0.0, 0.5, 1.0)
    ]
    assert costs == [20, 20 + 2 * 11, 20 + 2 * 20]  # one of the held steps is, for solvers that look back


def test_the_parameter_of_that_name_is_the_slider(editor, picture):
    given = {**WORDS, "method": "sdedit", "num_inference_steps": 8, "keep": "off"}
    result = editor.edit(picture, **given, strength=0.5)
    assert result.recipe["parameters"]["strength"] == 0.5 and "strength" not in result.recipe
    other = editor.edit(picture, **{**given, "method": "prompt-to-prompt"}, strength=0.5)
    assert other.recipe["strength"] == 0.5


def test_auto_takes_one_method_at_all_strengths(editor, picture):
    full = editor.edit(picture, **WORDS)
    weak = editor.edit(picture, **WORDS, strength=0.5)
    names = ("method", "parameters", "seed")
    assert [weak.recipe[name] for name in names] == [full.recipe[name] for name in names]
    assert 0 < away(weak.drawn, picture) <= away(full.drawn, picture)
    assert full.evaluations < weak.evaluations < 2 * full.evaluations
    (candidate,) = editor.candidates(picture, 1, **WORDS, strength=0.5)
    assert same(candidate.image, weak.image).all()


def test_samples_of_a_fit_are_as_strong_as_is_asked(editor, picture):
    fit = editor.fit(picture, target=WORDS["target"], embedding_steps=2, network_steps=2)
    weak, full = (
        editor.variations(picture, fit, seeds=[1], keep="off", strength=strength, num_inference_steps=6)[0].image
        for strength in (0.5, None)
    )
    assert 0 < away(weak, picture) < away(full, picture)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan"), "much", True])
def test_a_strength_outside_its_range_is_refused(editor, picture, strength):
    with pytest.raises(BadParameter, match=r"strength is .*, expected a number in 0..1"):
        editor.edit(picture, **WORDS, method="ddim", strength=strength)
