"""Where an enlarged edit ends: ground beside what was drawn stays the picture's own, and of what went nothing stays."""

import cv2
import numpy as np
import pytest
from PIL import Image

from retouch.keep.edit import put_into

SIDE, SMALL, CENTRE, RADIUS = 1024, 128, (512, 540), 150
CELL = SIDE // SMALL
GROUND, THING = (70, 140, 60), (225, 205, 40)


def painted(thing: bool) -> np.ndarray:
    """Rough ground, with a disc on it or without."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:] = GROUND
    picture[:300] = (120, 170, 230)  # sky
    if thing:
        cv2.circle(picture, CENTRE, RADIUS, THING, -1, cv2.LINE_AA)
    rough = np.random.default_rng(0).normal(0, 5, (SIDE, SIDE, 1))
    return (picture + rough).clip(0, 255).astype(np.uint8)


def drawn(picture: np.ndarray) -> np.ndarray:
    """As a model draws it: small and soft."""
    small = cv2.resize(picture, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.GaussianBlur(small, (0, 0), 1.0)


def disc(radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(columns - CENTRE[0], rows - CENTRE[1]) < radius


def ring(inner: float, outer: float) -> np.ndarray:
    """Beside the disc, so many cells of the model's grid away from it."""
    return disc(RADIUS + outer * CELL) & ~disc(RADIUS + inner * CELL)


def edited(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seen = cv2.resize(before, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)
    image, weight, whole = put_into(Image.fromarray(before), seen, drawn(before), drawn(after))
    assert not whole
    return np.asarray(image), weight


def test_a_thing_that_came_ends_at_its_outline_and_the_ground_beside_it_is_the_pictures_own():
    before, after = painted(thing=False), painted(thing=True)
    out, weight = edited(before, after)
    same = (out == before).all(2)
    assert same[weight == 0].all() and same[ring(0.5, 4)].mean() > 0.97  # 0.24 where all that was blurred is the edit's
    assert np.abs(out.astype(int) - THING)[disc(RADIUS - 2 * CELL)].mean() < 8


def test_of_a_thing_that_went_nothing_is_left_at_its_outline():
    before, after = painted(thing=True), painted(thing=False)
    out, _ = edited(before, after)
    left = np.abs(cv2.blur(out, (5, 5)).astype(int) - cv2.blur(after, (5, 5)))
    assert left[disc(RADIUS + 4 * CELL)].max() < 40  # the thing itself is 155 away


def test_a_thing_in_another_colour_ends_at_its_own_outline():
    before = painted(thing=True)
    other = before.copy()
    other[disc(RADIUS)] = (before[disc(RADIUS)].astype(int) + np.array([-170, -120, 150])).clip(0, 255)
    out, _ = edited(before, other)
    assert (out == before).all(2)[ring(1.5, 4)].mean() > 0.97  # 0.47
    assert np.abs(out.astype(int) - other)[disc(RADIUS - CELL)].mean() < 15


def test_a_part_that_changed_by_less_than_the_one_beside_it_is_not_cut_off():
    before = painted(thing=False)
    before[:] = (35, 32, 70)
    after = before.copy()
    after[480:520, 400:640] = (245, 200, 70)  # a ribbon
    after[440:480, 400:640] = after[520:560, 370:670] = (100, 60, 35)  # on a brown hat with its brim
    out, _ = edited(before, after)
    brown = (after == (100, 60, 35)).all(2)
    inside = cv2.erode(brown.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    left = np.abs(out.astype(int) - before).sum(2)[inside] < 30
    assert left.mean() < 0.2  # 0.9 where it is compared with the ribbon alone


@pytest.mark.parametrize("side", [SMALL, 192])
def test_a_picture_of_little_more_than_the_models_size_is_edited_as_it_is_drawn(side):
    before, after = (cv2.resize(painted(thing), (side, side), interpolation=cv2.INTER_AREA) for thing in (False, True))
    planes = [
        cv2.resize(one, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32) for one in (before, after)
    ]
    image, weight, _ = put_into(Image.fromarray(before), planes[0], *planes)
    inside = (
        np.asarray(cv2.resize(disc(RADIUS - CELL).astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)) > 0
    )
    assert weight[inside].min() > 0.99 and np.abs(np.asarray(image).astype(int) - after)[inside].mean() < 8
