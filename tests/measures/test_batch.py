"""Batches: pictures as tensors and back, and what does not go together."""

import numpy as np
import pytest
import torch
from PIL import Image

from retouch.errors import BadPicture
from retouch.measures.batch import Batch, to_image
from tests.measures.stand_ins import pictures

RED, BLUE = (Image.new("RGB", (6, 4), colour) for colour in ("#ff0000", "#0000ff"))


def test_pictures_become_values_in_0_to_1_and_masks_0_or_1():
    mask = Image.fromarray(np.array([[0, 127, 128, 255, 0, 0]] * 4, np.uint8))
    batch = Batch.from_images([RED, BLUE], [BLUE, RED], ["blue", "red"], ["red", None], [mask, mask])
    assert len(batch) == 2 and batch.inputs.shape == (2, 3, 4, 6) and batch.inputs.dtype == torch.float32
    assert batch.inputs[0, :, 0, 0].tolist() == [1, 0, 0] and batch.edits[0, :, 0, 0].tolist() == [0, 0, 1]
    assert batch.masks.shape == (2, 1, 4, 6) and batch.masks[0, 0, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert Batch.from_images([RED], [RED], ["x"]).masks is None
    assert list(Batch.from_images([RED], [RED], ["x"]).sources) == [None]


def test_a_picture_survives_the_way_there_and_back():
    picture = pictures(1, 5, 7)[0]
    there = Batch.from_images([to_image(picture)], [to_image(picture)], ["x"])
    assert torch.equal(there.inputs[0], picture)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([RED], [RED.resize((4, 4))], ["x"]), "pictures of one size, and these were given: 4 x 4, 6 x 4"),
        (([RED, RED], [RED, RED], ["x", "y"], None, [RED, None]), "some have none"),
        (([RED, RED], [RED], ["x", "y"]), "expected pictures of one size"),
        (([RED], [RED], ["x", "y"]), "2 targets were given, expected one of each"),
        (([], [], []), "these were given: none"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(arguments, sentence):
    with pytest.raises(BadPicture, match=sentence):
        Batch.from_images(*arguments)


def test_what_is_kept_is_computed_once():
    batch, calls = Batch.from_images([RED], [BLUE], ["x"]), []
    found = [batch.once("key", lambda: calls.append(1) or torch.ones(1)) for _ in range(3)]
    assert len(calls) == 1 and found[0] is found[2]
    assert batch.once("other", lambda: torch.zeros(1)) == 0
