"""Keeping: an edit that was shifted, zoomed, toned and blurred leaves the pixels that it did not change."""

import cv2
import numpy as np
import pytest
from PIL import Image

from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.diorama.pairs import edit_pair
from retouch.editor import Editor
from retouch.errors import BadPicture
from retouch.keep import keep
from retouch.picture import read_recipe
from tests.test_cli import retouch

pytestmark = pytest.mark.slow

SIDE = 512


def large(picture, seed):
    """A painted picture at 512 pixels, with a fine texture of its own."""
    rough = np.random.default_rng(seed).normal(0, 6, (SIDE, SIDE, 1))
    smooth = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)
    return (smooth + rough).clip(0, 255).astype(np.uint8)


def pair(kind, seed):
    """A picture, its true edit, and where they differ."""
    found = edit_pair(kind, seed)
    one, other = (large(picture, seed) for picture in (found.picture, found.truth))
    return one, other, np.abs(one.astype(int) - other).max(2) > 12


def drifted(picture, *, shift=(0.0, 0.0), zoom=1.0, gain=1.0, offset=0.0, blur=0.0, noise=0.0):
    """What a tool makes of a picture, that was only asked for a part of it."""
    matrix = np.array([[zoom, 0, shift[0] + (1 - zoom) * SIDE / 2], [0, zoom, shift[1] + (1 - zoom) * SIDE / 2]])
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(picture.astype(np.float32), matrix, (SIDE, SIDE), flags=how, borderMode=cv2.BORDER_REFLECT)
    out = cv2.GaussianBlur(out, (0, 0), blur) if blur else out
    out = out * gain + offset + np.random.default_rng(1).normal(0, max(noise, 1e-9), out.shape)
    return Image.fromarray(out.clip(0, 255).astype(np.uint8))


DRIFTS = [
    {"noise": 2.0},
    {"shift": (5.3, -4.6), "blur": 0.8},
    {"zoom": 1.018, "shift": (-2.2, 1.4)},
    {
        "gain": np.array([0.94, 1.04, 1.05]),
        "offset": np.array([5.0, -6.0, 3.0]),
        "zoom": 0.985,
        "blur": 1.0,
        "noise": 1.5,
    },
]


@pytest.mark.parametrize(
    ("kind", "drift"),
    [("colour", 0), ("accessory", 1), ("subject", 2), ("colour", 3), ("accessory", 3), ("subject", 3)],
)
def test_what_did_not_change_is_the_pictures_own_and_what_did_is_the_edits(kind, drift):
    before, truth, differs = pair(kind, 601)
    made = keep(Image.fromarray(before), drifted(truth, **DRIFTS[drift]))
    out, taken = np.asarray(made.image), np.asarray(made.changed)
    assert (out == before).all(2)[taken == 0].all() and made.untouched == (taken == 0).mean()
    assert (taken == 0)[~differs].mean() >= 0.85 and (taken == 0)[differs].mean() < 0.01
    inside = taken == 255
    assert np.abs(out.astype(float) - truth)[inside].mean() < 0.5 * np.abs(before.astype(float) - truth)[inside].mean()


def test_the_shift_and_the_tone_are_told():
    before, truth, _ = pair("accessory", 602)
    made = keep(Image.fromarray(before), drifted(truth, shift=(6.0, -3.0), offset=9.0))
    assert made.shift == pytest.approx(6, abs=0.3) and made.drift == pytest.approx(9, abs=1)


def test_the_same_picture_changes_nothing_and_another_size_is_taken():
    before, truth, differs = pair("colour", 603)
    same = keep(Image.fromarray(before), Image.fromarray(before))
    assert same.untouched == 1 and np.array_equal(np.asarray(same.image), before) and same.shift < 0.05
    half = keep(
        Image.fromarray(before), Image.fromarray(truth).resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS)
    )
    assert (np.asarray(half.changed) == 0)[~differs].mean() > 0.85 and half.image.size == (SIDE, SIDE)


def test_pictures_of_any_mode_are_taken_and_what_is_none_is_refused():
    before, truth, _ = pair("colour", 603)
    one, other = Image.fromarray(before), Image.fromarray(truth)
    plain = keep(one, other)
    assert np.array_equal(np.asarray(keep(one.convert("RGBA"), other.convert("RGBA")).image), np.asarray(plain.image))
    assert keep(one.convert("L"), other.convert("L")).image.mode == "RGB"
    assert keep(Image.new("RGB", (1, 1)), Image.new("RGB", (1, 1))).untouched == 1
    for wrong in (None, "x.png"):
        with pytest.raises(BadPicture, match=r"after is of the type .*, expected a PIL image"):
            keep(one, wrong)


def test_a_small_picture_edited_by_the_embedded_model_is_one():
    source, target = "a red cat sitting on a beach", "a blue cat sitting on a beach"
    before = paint(scene_for(source, 3))[0]
    edited = Editor.from_pretrained("diorama").edit(before, source=source, target=target).image
    made = keep(before, edited)
    assert 0.3 < made.untouched < 0.9
    assert (np.asarray(made.image) == np.asarray(before)).all(2)[np.asarray(made.changed) == 0].all()


def test_a_long_picture_is_one_too():
    before, truth, _ = pair("accessory", 604)
    crop = (0, 60, SIDE, 460)
    one, other = (Image.fromarray(picture).crop(crop) for picture in (before, truth))
    made = keep(one, other)
    assert made.image.size == one.size and 0.5 < made.untouched < 1


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (lambda: Image.new("RGB", (SIDE, SIDE // 2)), "512 x 512 and after 512 x 256: expected one shape"),
        (lambda: Image.new("RGB", (SIDE, SIDE), "red"), "too little in common"),
        (lambda: Image.fromarray(large(edit_pair("subject and place", 77).truth, 5)), "too little in common"),
        (
            lambda: Image.fromarray(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)),
            "too little in",
        ),
    ],
)
def test_pictures_of_other_things_are_refused(after, says):
    before, _, _ = pair("colour", 605)
    with pytest.raises(BadPicture, match=says):
        keep(Image.fromarray(before), after())


def test_the_command_writes_the_picture_the_map_and_what_it_did(tmp_path):
    before, truth, _ = pair("colour", 606)
    Image.fromarray(before).save(tmp_path / "a.png")
    drifted(truth, shift=(2, 1)).save(tmp_path / "b.png")
    done = retouch(
        "keep", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "c.png", "--changed", tmp_path / "m.png"
    )
    assert done.returncode == 0 and "of the pixels are untouched" in done.stderr
    out, taken = (np.asarray(Image.open(tmp_path / name)) for name in ("c.png", "m.png"))
    assert (out == before).all(2)[taken == 0].all() and 0.3 < read_recipe(tmp_path / "c.png")["keep"]["untouched"] < 1
    again = retouch("keep", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "c.png")
    assert again.returncode == 2 and "exists already" in again.stderr
    lossy = retouch("keep", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "c.jpg")
    assert lossy.returncode == 0 and "write a .png" in lossy.stderr
    Image.new("RGB", (40, 90)).save(tmp_path / "long.png")
    refused = retouch("keep", tmp_path / "a.png", tmp_path / "long.png", "-o", tmp_path / "d.png")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and not (tmp_path / "d.png").exists()
