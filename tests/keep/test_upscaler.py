"""An upscaler by name enlarges what is drawn anew, and nothing else."""

import numpy as np
import pytest
import torch

from retouch.backbone.upscaler import Upscaler
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor
from retouch.errors import BadModel
from retouch.keep.put_back import put_back
from tests.keep.test_edits_kept import WORDS, same

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small upscaler with random weights, as transformers saves it."""
    from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

    torch.manual_seed(0)
    config = Swin2SRConfig(
        image_size=16, embed_dim=8, depths=[1], num_heads=[2], window_size=8, upscale=2, upsampler="pixelshuffledirect"
    )
    where = tmp_path_factory.mktemp("upscaler")
    Swin2SRForImageSuperResolution(config).save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


def test_any_size_is_enlarged_by_its_scale(folder):
    upscaler = Upscaler(folder)
    found = upscaler.enlarged(np.full((13, 21, 3), 120, np.float32))
    assert upscaler.scale == 2 and found.shape == (26, 42, 3) and 0 <= found.min() <= found.max() <= 255


def test_it_draws_what_is_drawn_anew_and_the_rest_stays(editor, folder):
    picture = paint(scene_for(WORDS["source"], 3), side=256)[0]
    words = {"source": WORDS["source"], "target": "a red cat sitting on a beach, wearing a hat"}
    given = {**words, "method": "prompt-to-prompt", "num_inference_steps": 10}
    plain, finer = (editor.edit(picture, **given, upscaler=one) for one in (None, folder))
    there = np.asarray(plain.changed) == 0
    assert same(picture, finer.image)[there].all() and not same(plain.image, finer.image).all()
    assert finer.untouched >= plain.untouched - 1e-3 and finer.recipe["upscaler"]["fingerprint"]
    whole = [editor.edit(picture, **given, keep="off", upscaler=one).image for one in (None, folder)]
    assert not same(*whole).any(0).all() and whole[0].size == whole[1].size == picture.size


def test_it_is_said_where_it_cannot_act(editor, folder):
    picture = paint(scene_for(WORDS["source"], 3))[0]
    result = editor.edit(picture, **WORDS, method="sdedit", num_inference_steps=2, upscaler=folder)
    assert "the upscaler has no effect: the picture is no larger than the model's own." in result.notes


def test_a_wrong_name_is_said_before_the_work(editor, tmp_path):
    before = editor.model.evaluations
    with pytest.raises(BadModel, match=r"the upscaler .* could not be loaded .*Swin2SR"):
        editor.edit(paint(scene_for(WORDS["source"], 3))[0], **WORDS, method="sdedit", upscaler=tmp_path)
    assert editor.model.evaluations == before


def test_a_finer_plane_of_the_same_picture_changes_little():
    rng = np.random.default_rng(0)
    large = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    unasked, edited = (np.full((16, 16, 3), value, np.float32) for value in (90, 160))
    weight = np.zeros((64, 64), np.float32)
    weight[10:50, 10:50] = 1
    plain = put_back(large, unasked, edited, weight, texture=False)
    finer = put_back(large, unasked, edited, weight, texture=False, finer=np.full((32, 32, 3), 160, np.float32))
    assert np.abs(plain.astype(int) - finer).max() <= 1
