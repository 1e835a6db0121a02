"""Contact sheets."""

import numpy as np
import pytest
from PIL import Image

from retouch.sheet import contact_sheet, in_rows, labelled


@pytest.mark.parametrize("size", [(128, 128), (300, 100), (40, 200), (1, 1)])
def test_tiles_have_one_size_whatever_the_picture(size):
    tile = labelled(Image.new("RGB", size, "red"), "a label", side=96, lines=2)
    assert tile.size == (96, 96 + 6 + 28)
    assert (np.asarray(tile)[:96] == (255, 0, 0)).all(-1).any()


def test_a_label_leaves_ink_and_long_ones_stay_inside_their_lines():
    def ink(text, lines):
        return (np.asarray(labelled(Image.new("RGB", (8, 8), "white"), text, 96, lines)) < 200).any()

    assert ink("word", 1) and not ink("", 1)
    assert labelled(Image.new("RGB", (8, 8)), "word " * 99, 96, 2).size == (96, 130)


def test_a_sheet_holds_every_tile_in_reading_order():
    tiles = [Image.new("RGB", (10, 20), colour) for colour in ("red", "green", "blue")]
    rows = in_rows(tiles, 2)
    assert [len(row) for row in rows] == [2, 1]
    sheet = contact_sheet(rows)
    assert sheet.size == (2 * 18 - 8, 2 * 28 - 8)
    assert [sheet.getpixel(at) for at in ((5, 5), (23, 5), (5, 33), (23, 33))] == [
        (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255),
    ]  # fmt: skip
