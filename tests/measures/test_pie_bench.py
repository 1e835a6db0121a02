"""PIE-Bench's conventions, against the published steps written out in numpy."""

import math

import numpy as np
import pytest
import torch

from retouch.backbone.clip import Clip
from retouch.explore.clip_score import ClipScorer
from retouch.measures import pie_bench, pixels, structure
from retouch.measures.batch import Batch, to_image
from retouch.measures.clip import clip_score, text_features
from retouch.measures.perceptual import Lpips
from retouch.measures.structure import Dino, structure_distance
from tests.measures import test_perceptual, test_pixels
from tests.measures.stand_ins import disks, near, pictures, random_torchvision, random_vit

A = pictures(2, 48, 64)
B = near(A, 0.2)
MASKS = disks(2, 48, 64)


def blacked_out(i):
    """The i-th pictures as the published evaluation compares them: [2, 3, 48, 64] in numpy."""
    mask = MASKS[i, 0].numpy().copy()
    mask[0, :] = mask[-1, :] = mask[:, 0] = mask[:, -1] = 1
    return [picture[i].double().numpy() * (1 - mask) for picture in (A, B)]


def test_the_border_is_edited_and_the_rest_as_it_was():
    bordered = pie_bench.with_border(MASKS)
    assert torch.equal(bordered[..., 1:-1, 1:-1], MASKS[..., 1:-1, 1:-1])
    assert bordered.sum((1, 2, 3)).tolist() == (MASKS.sum((1, 2, 3)) + 2 * 48 + 2 * 62).tolist()
    assert MASKS[..., 0, :].sum() == 0  # the given ones are not written into
    assert torch.equal(pie_bench.with_border(bordered), bordered)
    assert torch.equal(pie_bench.with_border(MASKS[0, 0]), bordered[0, 0])


def test_mse_and_psnr_count_the_zeros():
    found_mse, found_psnr = pie_bench.mse(A, B, MASKS), pie_bench.psnr(A, B, MASKS)
    for i in range(2):
        a, b = blacked_out(i)
        expected = ((a - b) ** 2).sum() / (3 * 48 * 64)
        assert float(found_mse[i]) == pytest.approx(expected, rel=1e-4)
        assert float(found_psnr[i]) == pytest.approx(10 * math.log10(1 / expected), abs=1e-3)


def test_ssim_is_that_of_the_windows_within_the_masked_pictures():
    found = pie_bench.ssim(A, B, MASKS)
    for i in range(2):
        planes = [test_pixels.written_out(a, b)[5:-5, 5:-5] for a, b in zip(*blacked_out(i), strict=True)]
        assert float(found[i]) == pytest.approx(np.mean(planes), abs=1e-4)


def test_lpips_is_squeezenets_on_the_masked_pictures(monkeypatch):
    random_torchvision(monkeypatch)
    found = pie_bench.lpips(Lpips("squeeze"), A, B, MASKS)
    for i in range(2):
        a, b = (torch.from_numpy(picture).float()[None] for picture in blacked_out(i))
        with torch.no_grad():
            assert float(found[i]) == pytest.approx(test_perceptual.written_out("squeeze", a, b), rel=1e-3)


def test_the_structure_distance_is_fed_0_to_255(tmp_path):
    dino = Dino(random_vit(tmp_path))
    found = pie_bench.structure_distance(dino, A, B)
    levels = [
        torch.from_numpy(np.stack([np.array(to_image(p)) for p in x])).permute(0, 3, 1, 2).float() for x in (A, B)
    ]
    assert torch.allclose(found, structure_distance(*(dino.keys(x) for x in levels)), rtol=1e-4)
    assert not torch.allclose(found, structure_distance(dino.keys(A), dino.keys(B)), rtol=1e-2)


def test_the_edited_parts_clip_score_is_of_the_picture_times_the_mask():
    text = "a red cat sitting on a beach"
    clip, scorer = Clip("diorama"), ClipScorer("diorama")
    found = clip_score(pie_bench.edited_features(clip, A, MASKS), text_features(clip, [text, text]))
    for i in range(2):
        mask = pie_bench.with_border(MASKS)[i, 0].numpy()[..., None]
        picture = np.uint8(np.array(to_image(A[i])) * mask)
        assert float(found[i]) == pytest.approx(
            scorer.score(to_image(torch.from_numpy(picture / 255).permute(2, 0, 1)), text), abs=1e-3
        )


def test_the_measures_of_that_name_follow_these_conventions_and_the_others_do_not(tmp_path):
    """Without ``pie.``: DINO sees 0..1, and what is outside the mask, border and all, is averaged by itself."""
    dino, texts = Dino(random_vit(tmp_path)), ["a cat", "a dog"]
    batch = Batch(A, B, MASKS, texts, texts)
    own = {one.name: one for one in (*pie_bench.MEASURES, *pixels.MEASURES, *structure.MEASURES)}
    outside = MASKS == 0
    error, planes = (A - B).square().mean(1, keepdim=True), pixels.ssim_map(A, B)
    for name, plane in (("mse", error), ("ssim", planes)):
        expected = torch.stack([one[there].mean() for one, there in zip(plane, outside, strict=True)])
        assert torch.allclose(own[f"{name}.outside"].take(batch), expected, rtol=1e-4)
        published = getattr(pie_bench, name)(A, B, MASKS)
        assert torch.equal(own[f"pie.{name}"].take(batch), published)
        assert not torch.allclose(published, expected, rtol=1e-2)
    assert torch.equal(own["pie.psnr"].take(batch), pie_bench.psnr(A, B, MASKS))
    found, published = (own[f"{group}structure_distance"].compute(batch, dino) for group in ("", "pie."))
    assert torch.allclose(found, structure_distance(dino.keys(A), dino.keys(B)), rtol=1e-4)
    assert torch.allclose(published, pie_bench.structure_distance(dino, A, B), rtol=1e-4)


@pytest.mark.parametrize("measure", [pie_bench.mse, pie_bench.psnr, pie_bench.ssim])
def test_where_nothing_is_unedited_the_value_is_nan(measure, monkeypatch):
    masks = MASKS.clone()
    masks[1, :, 1:-1, 1:-1] = 1  # with the border, everything
    found = measure(A, B, masks)
    assert found.isnan().tolist() == [False, True]
    assert float(found.nanmean()) == pytest.approx(float(measure(A[:1], B[:1], MASKS[:1])), rel=1e-5)


def test_lpips_too_is_nan_where_nothing_is_unedited(monkeypatch):
    random_torchvision(monkeypatch)
    assert pie_bench.lpips(Lpips("squeeze"), A, B, torch.ones_like(MASKS)).isnan().all()


def test_identical_unedited_parts_have_100_decibels_and_a_larger_mask_looks_better():
    edit = torch.where(pie_bench.with_border(MASKS) > 0, 1 - A, A)
    assert (pie_bench.psnr(A, edit, MASKS) == 100).all() and (pie_bench.mse(A, edit, MASKS) == 0).all()
    assert (pie_bench.psnr(A, B, disks(2, 48, 64, radius=15)) > pie_bench.psnr(A, B, MASKS)).all()


def test_pictures_smaller_than_the_window_are_measured():
    small, masks = pictures(1, 4, 6), torch.zeros(1, 1, 4, 6)
    assert pie_bench.ssim(small, near(small), masks).isfinite().all()
