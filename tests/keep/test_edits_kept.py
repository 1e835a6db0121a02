"""Edits that keep the rest: masks hold to the byte, what no edit changed is the input's own, parts stay as sharp."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.keep.enlarge import Enlarged
from retouch.methods.registry import methods
from retouch.picture import opened_mask

pytestmark = pytest.mark.slow

SOURCE, TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"
WORDS = {"source": SOURCE, "target": TARGET}
FITTED = {"imagic", "layer-diffusion"}


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


@pytest.fixture(scope="module")
def picture():
    """256 pixels wide and not square, so that it is scaled and padded for the model."""
    return paint(scene_for(SOURCE, 3), side=256)[0].crop((0, 20, 256, 250))


def ellipse(size, box, value=255):
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse(box, fill=value)
    return mask


def few(name):
    if name == "e4c":
        return {"num_inference_steps": 4, "iterations": 1}
    return {"num_inference_steps": 6} | ({"embedding_steps": 2, "network_steps": 2} if name in FITTED else {})


def same(one, other):
    return (np.asarray(one) == np.asarray(other)).all(2)


@pytest.mark.parametrize("name", sorted(methods()))
def test_outside_a_mask_every_method_leaves_every_byte(editor, picture, name):
    mask = ellipse(picture.size, (70, 60, 190, 220))
    result = editor.edit(picture, **WORDS, method=name, mask=mask, **few(name))
    outside = np.asarray(mask) == 0
    assert same(picture, result.image)[outside].all()
    assert result.untouched >= outside.mean() and (np.asarray(result.changed)[outside] == 0).all()
    off = editor.edit(picture, **WORDS, method=name, mask=mask, keep="off", **few(name))
    assert same(picture, off.image)[outside].all() and not same(picture, off.image).all()


def test_a_chain_of_masked_edits_pays_nothing_away_from_the_masks(editor, picture):
    mask, now = ellipse(picture.size, (10, 10, 90, 90)), picture
    for target in (TARGET, SOURCE, TARGET):
        now = editor.edit(now, source=SOURCE, target=target, method="sdedit", mask=mask, num_inference_steps=4).image
    assert same(picture, now)[np.asarray(mask) == 0].all() and not same(picture, now).all()


def test_grey_is_a_strength_whatever_the_number_of_steps(editor):
    small = paint(scene_for(SOURCE, 3))[0]
    full = np.asarray(editor.edit(small, **WORDS, method="ddim", keep="off", num_inference_steps=20).image, float)
    away = np.abs(full - np.asarray(small)).mean()

    def share(grey, steps):
        mask = Image.new("L", small.size, grey)
        edited = editor.edit(
            small, **WORDS, method="ddim", mask=mask, keep="off", num_inference_steps=steps, guidance_scale=7.5
        )
        return np.abs(np.asarray(edited.image, float) - np.asarray(small)).mean() / away

    shares = {steps: [share(grey, steps) for grey in (128, 176, 216, 255)] for steps in (5, 20)}
    for values in shares.values():
        assert values == sorted(values) and values[0] < 0.6 * values[-1]
    for few_steps, many in zip(*(shares[steps][:3] for steps in (5, 20)), strict=True):
        assert abs(few_steps / shares[5][-1] - many / shares[20][-1]) < 0.25


def test_a_thin_mask_between_two_cells_edits_what_it_marks(editor):
    small = paint(scene_for(SOURCE, 3))[0]
    whole = np.asarray(editor.edit(small, **WORDS, method="sdedit", keep="off", seed=1).image, float)
    shares = []
    for left in (60, 62, 64):  # on a latent cell's edge, and beside it
        mask = Image.new("L", small.size)
        mask.paste(255, (left, 30, left + 4, 110))
        edited = editor.edit(small, **WORDS, method="sdedit", mask=mask, keep="off", seed=1).image
        inside = np.asarray(mask) > 0
        change = np.abs(np.asarray(edited, float) - np.asarray(small))[inside].mean()
        shares.append(change / np.abs(whole - np.asarray(small))[inside].mean())
    assert min(shares) > 0.08  # 0.055 where a cell that the mask only touches was held in part


def test_what_an_edit_did_not_change_is_the_inputs_own(editor):
    large = paint(scene_for(SOURCE, 3), side=512)[0]
    kept = editor.edit(large, **WORDS, method="prompt-to-prompt")
    taken = np.asarray(kept.changed)
    assert 0.4 < kept.untouched < 0.95 and same(large, kept.image)[taken == 0].all()
    assert kept.recipe["keep"] == "auto" and kept.recipe["untouched"] == pytest.approx(kept.untouched, abs=1e-5)
    off = editor.edit(large, **WORDS, method="prompt-to-prompt", keep="off")
    assert off.changed is None and off.untouched < 0.2
    truth = np.asarray(paint(scene_for(TARGET, 3), side=512)[0], float)
    away = [np.abs(np.asarray(one, float) - truth).mean() for one in (kept.image, off.image)]
    assert away[0] < 0.7 * away[1]


def test_a_change_of_everything_is_returned_whole_unless_it_must_be_kept(editor):
    small = paint(scene_for(SOURCE, 3))[0]
    asked = {"source": SOURCE, "target": "a pencil sketch of a red cat in a forest", "method": "sdedit"}
    whole, off, exact = (editor.edit(small, **asked, keep=keep) for keep in ("auto", "off", "exact"))
    assert any("changed the picture everywhere" in note for note in whole.notes)
    assert np.array_equal(np.asarray(whole.image), np.asarray(off.image))
    assert exact.untouched >= whole.untouched and not any("everywhere" in note for note in exact.notes)


def test_a_method_without_a_source_branch_borrows_one(editor):
    small = paint(scene_for(SOURCE, 3))[0]
    with_it, without = (
        editor.edit(small, **WORDS, method="ddim", num_inference_steps=8, keep=keep) for keep in ("auto", "off")
    )
    assert with_it.evaluations == without.evaluations + 8
    assert with_it.reconstruction is not None and without.reconstruction is None


def test_a_part_of_a_large_picture_is_edited_at_the_models_size(editor):
    large = paint(scene_for(SOURCE, 3), side=1024)[0]
    mask = ellipse(large.size, (480, 300, 600, 420))
    part = editor.edit(large, **WORDS, method="sdedit", mask=mask, keep="off", num_inference_steps=6)
    assert any("242 x 242 pixels around the mask" in note for note in part.notes)
    assert same(large, part.image)[np.asarray(mask) == 0].all()
    whole = editor.edit(large, **WORDS, method="sdedit", mask=mask, keep="off", num_inference_steps=6, context=50)
    assert not any("around the mask" in note for note in whole.notes) and whole.recipe["context"] == 50

    def sharpness(image):
        return np.abs(np.diff(np.asarray(image.crop((500, 320, 580, 400)).convert("L"), float))).mean()

    assert sharpness(part.image) > 1.2 * sharpness(whole.image)
    region = editor.edit(large, **WORDS, method="sdedit", region=(480, 300, 600, 420), num_inference_steps=6)
    inside = np.zeros(large.size[::-1], bool)
    inside[300:420, 480:600] = True
    assert same(large, region.image)[~inside].all() and region.recipe["region"] == [480, 300, 600, 420]


def test_a_mask_in_a_region_is_what_both_mark(editor, picture):
    mask = ellipse(picture.size, (20, 20, 140, 140))
    given = {**WORDS, "method": "sdedit", "num_inference_steps": 4, "mask": mask}
    both = editor.edit(picture, **given, region=(80, 80, 250, 220))
    outside = np.asarray(mask) == 0
    outside[:80], outside[:, :80] = True, True
    assert same(picture, both.image)[outside].all() and not same(picture, both.image).all()
    before = editor.model.evaluations
    with pytest.raises(BadParameter, match="the mask marks nothing within the region"):
        editor.edit(picture, **given, region=(200, 200, 250, 220))
    assert editor.model.evaluations == before


def test_a_region_by_a_word_is_where_the_word_is_and_doubt_is_said(editor):
    small = paint(scene_for(SOURCE, 3))[0]
    given = {**WORDS, "method": "sdedit", "num_inference_steps": 4}
    there = editor.edit(small, **given, region="cat")
    assert (
        "context has no effect: there is neither a mask nor a region." in editor.edit(small, **given, context=1).notes
    )
    assert there.recipe["region"] == "cat" and 0 < there.untouched < 1
    assert not any("may well not be" in note for note in there.notes)
    assert any("'a tree' may well not be" in note for note in editor.edit(small, **given, region="a tree").notes)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"region": (0, 0, 500, 10)}, "within the picture, which is 256 x 230"),
        ({"region": (10, 10, 10, 20)}, "expected left < right"),
        ({"region": (1, 2, 3)}, "region is"),
        ({"region": (float("nan"), 0, 10, 10)}, "region is"),
        ({"region": (0, 0, float("inf"), 10)}, "region is"),
        ({"keep": "some"}, "keep is 'some', expected auto, exact or off"),
        ({"context": -1}, "context is -1"),
        ({"method": "ddim", "foreground": Image.new("L", (256, 230), 255)}, "ddim does not treat the subject apart"),
    ],
)
def test_what_cannot_be_is_said(editor, picture, given, says):
    with pytest.raises(BadParameter, match=says):
        editor.edit(picture, **WORDS, **given)


def test_masks_are_read_as_they_were_meant():
    paint_on_black = Image.new("RGB", (40, 40))
    paint_on_black.paste((0, 255, 0), (10, 10, 20, 20))
    found = opened_mask(paint_on_black)
    assert np.asarray(found.image)[12, 12] == 255 and np.asarray(found.image)[0, 0] == 0
    assert any("painted in colour" in note for note in found.notes)
    on_white = Image.new("RGB", (40, 40), "white")
    on_white.paste((255, 0, 0), (10, 10, 20, 20))
    assert np.asarray(opened_mask(on_white).image)[12, 12] == 255 and np.asarray(opened_mask(on_white).image)[0, 0] == 0
    photo = paint(scene_for(SOURCE, 3))[0].convert("RGBA")
    hole = np.asarray(photo).copy()
    hole[30:60, 30:60, 3] = 0
    found = opened_mask(Image.fromarray(hole))
    assert np.array_equal(np.asarray(found.image) > 127, hole[..., 3] == 0)
    assert any("transparent part" in note for note in found.notes)
    assert any("covers everything" in note for note in opened_mask(Image.new("L", (8, 8), 255)).notes)


@pytest.mark.parametrize("kernel", ["linear", "lanczos"])
@pytest.mark.parametrize("size", [(100, 90), (43, 57), (27, 29)])
def test_strips_are_enlarged_as_pillow_does_it(kernel, size):
    plane = np.random.default_rng(0).uniform(0, 255, (37, 29, 1)).astype(np.float32)
    how = {"linear": Image.Resampling.BILINEAR, "lanczos": Image.Resampling.LANCZOS}[kernel]
    theirs = np.asarray(Image.fromarray(plane[..., 0]).resize(size, how))
    ours = Enlarged(plane, size, (2, size[0]), kernel)
    rows = np.concatenate([ours.rows(0, 5)[:, 0], ours.rows(5, size[1])[:, 0]])
    rim = 12  # at the edges Pillow leaves out what lies outside, and repeats nothing
    assert np.abs(rows - theirs[:, 2:])[rim:-rim, rim:-rim].max(initial=0) < 0.5
