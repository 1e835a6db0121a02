"""MSE, PSNR and SSIM, against definitions written out and torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from retouch.measures.batch import Batch
from retouch.measures.measure import Measure
from retouch.measures.pixels import mse, psnr, ssim, ssim_map
from tests.measures.stand_ins import disks, near, pictures

MEASURES = [mse, psnr, ssim]
A = pictures(3, 40, 48)
B = near(A)
REGIONS = disks(3, 40, 48)


def written_out(x, y):
    """The SSIM map of two planes [h, w], window by window."""
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(axis, axis) / axis.sum() ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(np.pad(p.astype(float), 5, "reflect"), (11, 11)) for p in (x, y))
    mx, my = ((window * p).sum((-1, -2)) for p in (x, y))
    vx, vy = ((window * p * p).sum((-1, -2)) - m**2 for p, m in ((x, mx), (y, my)))
    cov = (window * x * y).sum((-1, -2)) - mx * my
    return (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def test_mse_and_psnr_are_the_textbooks():
    error = ((A.double() - B.double()) ** 2).numpy()
    inside = REGIONS.bool().expand_as(A).numpy()
    for i in range(3):
        assert float(mse(A, B)[i]) == pytest.approx(error[i].mean(), rel=1e-5)
        assert float(mse(A, B, REGIONS)[i]) == pytest.approx(error[i][inside[i]].mean(), rel=1e-5)
        theirs = peak_signal_noise_ratio(B[i : i + 1], A[i : i + 1], data_range=1.0)
        assert float(psnr(A, B)[i]) == pytest.approx(float(theirs), abs=1e-4)


def test_the_ssim_of_every_pixel_is_the_formula():
    found = ssim_map(A, B)
    assert found.shape == (3, 1, 40, 48)
    for i in range(3):
        planes = [written_out(a, b) for a, b in zip(A[i].numpy(), B[i].numpy(), strict=True)]
        assert np.allclose(found[i, 0].numpy(), np.mean(planes, 0), atol=1e-4)
        inside = REGIONS[i, 0].bool().numpy()
        assert float(ssim(A, B, REGIONS)[i]) == pytest.approx(np.mean(planes, 0)[inside].mean(), abs=1e-4)
        assert float(ssim(A, B)[i]) == pytest.approx(np.mean(planes), abs=1e-4)  # the border counts


def test_the_ssim_of_a_picture_counts_its_border_as_torchmetrics_does():
    edit = A.clone()
    edit[..., :5] = 1 - edit[..., :5]
    for i in range(3):
        theirs = structural_similarity_index_measure(edit[i : i + 1], A[i : i + 1], data_range=1.0)
        assert float(ssim(A, edit)[i]) == pytest.approx(float(theirs), abs=2e-5)
        within = ssim_map(A, edit)[i, ..., 5:-5, 5:-5].mean()  # as scikit-image has it
        assert float(within - ssim(A, edit)[i]) > 0.05


@pytest.mark.parametrize("size", [(40, 48), (11, 64), (200, 150)])
def test_the_ssim_map_is_torchmetrics(size):
    one, other = pictures(2, *size), near(pictures(2, *size), 0.2)
    theirs = structural_similarity_index_measure(other, one, data_range=1.0, return_full_image=True)[1]
    assert torch.allclose(ssim_map(one, other), theirs.mean(1, keepdim=True), atol=2e-5)


def test_the_pictures_of_a_batch_are_spread_over_threads_without_a_difference():
    alone = ssim_map(A, B)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(ssim_map(A, B), alone)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_batch_is_its_pictures_one_by_one(measure):
    for region in (None, REGIONS):
        alone = [measure(A[i : i + 1], B[i : i + 1], None if region is None else region[i : i + 1]) for i in range(3)]
        assert torch.allclose(measure(A, B, region), torch.cat(alone), rtol=1e-5)
        assert len(set(torch.cat(alone).tolist())) == 3


@pytest.mark.parametrize("measure", MEASURES)
def test_the_region_that_is_everything_is_the_whole_picture(measure):
    assert torch.allclose(measure(A, B, torch.ones_like(REGIONS)), measure(A, B), rtol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_region_is_nan_for_its_picture_alone(measure):
    regions = REGIONS.clone()
    regions[1] = 0
    assert measure(A, B, regions).isnan().tolist() == [False, True, False]
    assert measure(A, A, regions).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("measure", MEASURES)
def test_neither_picture_comes_first(measure):
    assert torch.allclose(measure(A, B, REGIONS), measure(B, A, REGIONS), rtol=1e-5)


def test_only_the_region_counts():
    edit = torch.where(REGIONS > 0, 1 - A, A)
    assert (mse(A, edit, 1 - REGIONS) == 0).all() and (psnr(A, edit, 1 - REGIONS) == 100).all()
    assert (psnr(A, edit) < 25).all() and (psnr(A, edit, REGIONS) < 15).all()
    assert (ssim(A, edit, 1 - REGIONS) > ssim(A, edit)).all() and (ssim(A, edit) > ssim(A, edit, REGIONS)).all()


def test_identical_pictures_reach_the_ends_of_the_scales_and_noise_leads_away():
    assert (mse(A, A) == 0).all() and (psnr(A, A) == 100).all() and torch.allclose(ssim(A, A), torch.ones(3))
    for measure, sign in ((mse, 1), (psnr, -1), (ssim, -1)):
        values = torch.stack([sign * measure(A, near(A, amount)) for amount in (0.02, 0.1, 0.4)])
        assert (values.diff(dim=0) > 0).all()


def test_pictures_smaller_than_the_window_are_measured():
    small = pictures(2, 3, 5)
    region = torch.zeros(2, 1, 3, 5)
    region[:, :, 1, 2] = 1
    assert ssim(small, near(small)).isfinite().all() and ssim(small, near(small), region).isfinite().all()
    assert torch.allclose(ssim(small, small, region), torch.ones(2))


def test_100_decibels_are_said_of_identical_pictures_alone():
    """One level in one channel of one pixel of a large picture is more than 100 by the formula."""
    large = torch.zeros(1, 3, 640, 640)
    edit = large.clone()
    edit[0, 0, 5, 5] = 1 / 255
    assert float(-10 * mse(large, edit).log10()) > 100
    assert float(psnr(large, edit)) == pytest.approx(99.99, abs=1e-4) and float(psnr(large, large)) == 100
    outside = torch.ones(1, 1, 640, 640)
    outside[..., 5, 5] = 0
    assert float(psnr(large, edit, outside)) == 100


def test_what_other_packages_measure_in_decibels_ends_at_100_too():
    batch = Batch(A, A, None, [None] * 3, ["a cat"] * 3)
    infinite = {"help": "x", "compute": lambda batch: torch.tensor([torch.inf, 30.0, torch.nan])}
    assert Measure("snr", "SNR", "dB", **infinite).take(batch).nan_to_num(-1).tolist() == [100, 30, -1]
    assert Measure("ratio", "ratio", "", **infinite).take(batch).nan_to_num(-1).tolist() == [-1, 30, -1]
