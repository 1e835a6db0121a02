"""The measures of keeping, on pictures of which the right answer is known."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from retouch.measures.batch import Batch
from retouch.measures.keeping import sharpness, shift, tone_drift, untouched
from retouch.measures.registry import every, names
from tests.measures.stand_ins import disks, near, pictures

MEASURES = [untouched, shift, sharpness, tone_drift]
A = pictures(3, 40, 48)
REGIONS = disks(3, 40, 48)


def waves(across=0.0, down=0.0, height=64, width=80):
    """[1, 3, height, width]: many smooth waves, moved by exactly so many pixels."""
    y, x = torch.meshgrid(torch.arange(height).float() - down, torch.arange(width).float() - across, indexing="ij")
    generator = torch.Generator().manual_seed(3)
    light = torch.zeros(height, width)
    for _ in range(60):
        fx, fy, phase = torch.rand(3, generator=generator).tolist()
        light += torch.cos(0.9 * (fx - 0.5) * x + 0.9 * (fy - 0.5) * y + 6.3 * phase)
    return (0.5 + 0.03 * light).clamp(0, 1).expand(1, 3, -1, -1).contiguous()


def in_8_bits(images):
    return (images.clamp(0, 1) * 255).round() / 255


def blurred(images, times):
    """The mean with the four neighbours, so many times."""
    cross = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]).div(8).expand(3, 1, 3, 3)
    for _ in range(times):
        images = functional.conv2d(functional.pad(images, (1, 1, 1, 1), "replicate"), cross, groups=3)
    return images


def hole(height=64, width=80):
    """[1, 1, height, width]: 1 but for a rectangle where everything may change."""
    outside = torch.ones(1, 1, height, width)
    outside[..., 20:44, 30:60] = 0
    return outside


def test_identical_pictures_are_untouched_in_place_as_sharp_and_of_one_tone():
    for images in (A, waves(), torch.full((1, 3, 40, 48), 0.4)):
        for region in (None, torch.ones_like(images[:, :1])):
            found = [measure(images, images, region).unique().tolist() for measure in MEASURES]
            assert found == [[1], [0], [1], [0]]


def test_untouched_is_the_share_of_pixels_with_all_three_values_the_same():
    edit = A.clone()
    edit[0, :, :20] += 1 / 255  # half of the rows
    edit[1, 2, :10] += 1 / 255  # one channel of a quarter
    assert untouched(A, edit).tolist() == [0.5, 0.75, 1.0]
    assert untouched(A, torch.where(REGIONS > 0, 1 - A, A), 1 - REGIONS).tolist() == [1, 1, 1]
    assert untouched(A, torch.where(REGIONS > 0, 1 - A, A), REGIONS).tolist() == [0, 0, 0]


@pytest.mark.parametrize("offset", [(2.5, 0), (-0.3, 0.4), (0, 0.1), (3, -4), (-6.25, 1.5)])
def test_a_shift_is_found_to_a_small_part_of_a_pixel_whatever_happens_inside_the_mask(offset):
    moved, size = in_8_bits(waves(*offset)), math.hypot(*offset)
    assert float(shift(in_8_bits(waves()), moved)) == pytest.approx(size, abs=0.03)
    outside = hole()
    repainted = torch.where(outside > 0, moved, torch.rand(moved.shape, generator=torch.Generator().manual_seed(1)))
    assert float(shift(in_8_bits(waves()), repainted, outside)) == pytest.approx(size, abs=0.06)
    assert float(shift(in_8_bits(waves()), in_8_bits(0.9 * moved + 0.05), outside)) == pytest.approx(size, abs=0.06)


def test_softness_and_noise_are_no_motion():
    assert float(shift(waves(), blurred(waves(), 4))) < 0.02
    assert float(shift(waves(), near(waves(), 0.03))) < 0.1


def test_what_was_drawn_anew_moves_nothing_else():
    picture, other = (waves(*offset, height=120, width=160) for offset in ((0, 0), (3, 1)))
    drawn = picture.clone()
    drawn[..., 30:80, 40:100] = other[..., 30:80, 40:100]  # a sixth of the picture
    assert 0 < float(shift(picture, drawn)) < 0.02


def test_a_large_picture_is_measured_in_its_own_pixels():
    still, moved = waves(height=300, width=1100), waves(6.5, -2, height=300, width=1100)
    assert float(shift(still, moved)) == pytest.approx(math.hypot(6.5, 2), abs=0.1)


def test_pictures_of_different_things_flat_and_tiny_ones_have_no_shift():
    assert shift(A, pictures(3, 40, 48, seed=9)).isnan().all()
    assert shift(torch.full((1, 3, 40, 48), 0.4), torch.full((1, 3, 40, 48), 0.5)).isnan().all()
    assert shift(A[:, :, :9, :9], near(A[:, :, :9, :9])).isnan().all()


def test_sharpness_falls_with_every_blur_and_rises_with_noise():
    values = [float(sharpness(waves(), blurred(waves(), times))) for times in (0, 1, 2, 4, 8)]
    assert values[0] == 1 and all(a > b > 0 for a, b in pairwise(values))
    assert float(sharpness(waves(), near(waves(), 0.03))) > 1
    assert float(sharpness(waves(), 0.5 * waves())) == pytest.approx(0.5, abs=1e-3)
    assert sharpness(torch.zeros(1, 3, 20, 20), A[:1, :, :20, :20]).isnan().all()


def test_sharpness_outside_does_not_see_the_edge_of_what_changed_inside():
    outside = hole()
    edit = torch.where(outside > 0, waves(), torch.zeros(1))
    assert float(sharpness(waves(), edit, outside)) == 1 and float(sharpness(waves(), edit)) != 1


def test_tone_drift_is_in_levels_and_counts_a_cast():
    middle = 0.25 + A / 2
    assert tone_drift(middle, middle + 3 / 255).tolist() == pytest.approx([3, 3, 3], abs=1e-3)
    cast = torch.tensor([3, -3, 0]).view(3, 1, 1) / 255
    assert tone_drift(middle, middle + cast).tolist() == pytest.approx([2, 2, 2], abs=1e-3)
    inside = torch.where(REGIONS > 0, torch.ones(1), middle)
    assert tone_drift(middle, inside, 1 - REGIONS).tolist() == [0, 0, 0] and (tone_drift(middle, inside) > 1).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_region_is_nan_for_its_picture_alone(measure):
    images, regions = waves().expand(3, -1, -1, -1), torch.ones(3, 1, 64, 80)
    regions[1] = 0
    assert measure(images, blurred(images, 1), regions).isnan().tolist() == [False, True, False]


def test_all_are_declared_of_the_whole_and_outside_in_their_own_group_with_unit_and_direction():
    assert names("keeping") == [f"{one.__name__}{part}" for one in MEASURES for part in ("", ".outside")]
    about = {one.__name__: (every()[one.__name__].unit, every()[one.__name__].better) for one in MEASURES}
    assert about == {
        "untouched": ("%", "higher"), "shift": ("pixels", "lower"), "sharpness": ("", "one"),
        "tone_drift": ("levels", "lower"),
    }  # fmt: skip
    batch = Batch(waves(), blurred(waves(), 1), 1 - hole(), [None], ["a cat"])
    for one in MEASURES:
        assert every()[f"{one.__name__}.outside"].take(batch) == one(batch.inputs, batch.edits, hole())
