"""The measures of an edit, against definitions written out."""

import math

import numpy as np
import pytest
from PIL import Image

from retouch.diorama import paint, scene_for
from retouch.errors import BadModel
from retouch.explore.clip_score import ClipScorer
from retouch.explore.preservation import psnr, ssim

pytestmark = pytest.mark.slow

PICTURE, MASK = paint(scene_for("a red cat sitting on a beach", 3))
BLUE = paint(scene_for("a blue cat sitting on a beach", 3))[0]


def noisy(image, amount, seed=0):
    values = np.asarray(image, float) + np.random.default_rng(seed).normal(0, amount, (*image.size[::-1], 3))
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def test_psnr_is_the_textbooks():
    other = noisy(PICTURE, 10)
    error = (np.asarray(PICTURE, float) - np.asarray(other, float)) ** 2
    assert psnr(PICTURE, other) == pytest.approx(10 * math.log10(255**2 / error.mean()), abs=1e-3)
    keep = np.asarray(MASK) < 128
    expected = 10 * math.log10(255**2 / error[keep].mean())
    assert psnr(PICTURE, other, Image.fromarray((keep * 255).astype(np.uint8))) == pytest.approx(expected, abs=1e-3)


def test_identical_pictures_reach_the_ends_of_the_scales():
    assert psnr(PICTURE, PICTURE) == 100 and ssim(PICTURE, PICTURE) == pytest.approx(1)


def test_only_what_should_be_kept_counts():
    edit = PICTURE.copy()
    edit.paste((0, 0, 255), (0, 0, 40, 40))
    keep = Image.new("L", PICTURE.size, 255)
    keep.paste(0, (0, 0, 40, 40))
    assert psnr(PICTURE, edit, keep) == 100 and psnr(PICTURE, edit) < 30
    assert ssim(PICTURE, edit, keep) > ssim(PICTURE, edit)
    nothing = Image.new("L", PICTURE.size)
    assert math.isnan(psnr(PICTURE, edit, nothing)) and math.isnan(ssim(PICTURE, edit, nothing))


def test_ssim_is_the_formula_with_a_gaussian_window():
    """One window's value computed by hand, at the middle of two small pictures."""
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (33, 33)).astype(np.uint8) for _ in range(2))
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(axis, axis) / axis.sum() ** 2
    x, y = (plane[11:22, 11:22].astype(float) for plane in (a, b))
    mx, my = (window * x).sum(), (window * y).sum()
    vx, vy, cov = (window * x * x).sum() - mx**2, (window * y * y).sum() - my**2, (window * x * y).sum() - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    keep = Image.new("L", (33, 33))
    keep.putpixel((16, 16), 255)
    images = (Image.fromarray(plane).convert("RGB") for plane in (a, b))
    assert ssim(*images, keep) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_more_noise_is_less_preservation_and_tiny_pictures_are_measured(measure):
    values = [measure(PICTURE, noisy(PICTURE, amount)) for amount in (2, 8, 32)]
    assert values == sorted(values, reverse=True)
    small = PICTURE.resize((5, 3))
    assert math.isfinite(measure(small, noisy(small, 5)))


def test_the_clip_score_prefers_the_right_sentence_whatever_the_size():
    scorer = ClipScorer("diorama")
    sentences = ("a red cat sitting on a beach", "a blue cat sitting on a beach")
    red, blue = ([scorer.score(picture, text) for text in sentences] for picture in (PICTURE, BLUE))
    assert red[0] > red[1] + 5 and blue[1] > blue[0] + 5
    wide = Image.new("RGB", (400, 128), (120, 180, 220))
    assert all(-100 <= scorer.score(picture, "a cat " * 200) <= 100 for picture in (wide, PICTURE.resize((3, 3))))


def test_a_clip_model_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BadModel, match=r"could not be loaded .* give a folder with a transformers CLIP model"):
        ClipScorer(tmp_path).score(PICTURE, "a cat")
