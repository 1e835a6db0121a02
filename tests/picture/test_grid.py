"""Pictures on a model's grid: those that are on it already are not touched."""

import numpy as np
import pytest
from PIL import Image

from retouch.picture import fit, fit_mask


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((384, 640), (512, 64)),
        ((640, 384), (512, 64)),
        ((512, 768), (512, 64)),
        ((512, 256), (512, 64)),
        ((512, 512), (512, 64)),
        ((128, 160), (128, 32)),
        ((96, 128), (128, 32)),
    ],
)
def test_a_picture_on_the_grid_goes_in_and_comes_back_untouched(size, grid):
    image = noise(*size)
    fitted = fit(image, *grid)
    assert fitted.image.tobytes() == image.tobytes() and fitted.image.size == size
    assert fitted.box == (0, 0, *size) and fitted.notes == ()
    assert fitted.restore(fitted.image).tobytes() == image.tobytes()
    mask = image.convert("L")
    assert fit_mask(mask, fitted)[0].tobytes() == mask.tobytes()


@pytest.mark.parametrize("size", [(1024, 1024), (64, 64), (256, 256), (384, 630)])
def test_a_picture_off_the_grid_or_far_from_the_models_size_is_scaled(size):
    fitted = fit(noise(*size), 512, 64)
    left, top, right, bottom = fitted.box
    assert (right - left) * (bottom - top) == pytest.approx(512**2, rel=0.01)


def test_a_very_long_picture_on_the_grid_is_stretched_all_the_same():
    assert fit(noise(4096, 32), 512, 32).image.size == (2048, 64)
