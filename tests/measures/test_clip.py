"""The measures on CLIP, against transformers' own preprocessing and model, and by what they should mean."""

import json

import pytest
import torch
from PIL import Image
from transformers import CLIPModel

from retouch.backbone.clip import Clip
from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.diorama import paint, scene_for
from retouch.explore.clip_score import ClipScorer
from retouch.measures.batch import picture_tensor, to_image
from retouch.measures.clip import (
    clip_score,
    directional_similarity,
    image_features,
    image_features_inside,
    prepared,
    text_features,
)
from retouch.measures.regions import square_around
from tests.measures.stand_ins import disks, near, pictures

CLIP = Clip("diorama")
RED, BLUE = (paint(scene_for(f"a {colour} cat sitting on a beach", 3))[0] for colour in ("red", "blue"))
SAYS_RED, SAYS_BLUE = "a red cat sitting on a beach", "a blue cat sitting on a beach"


def seen(*images):
    return image_features(CLIP, [picture_tensor(image) for image in images])


@pytest.mark.parametrize("size", [(150, 100), (96, 192), (64, 64), (40, 30), (131, 99), (99, 131), (1000, 37)])
def test_pictures_are_prepared_and_looked_at_as_transformers_does(size):
    processors = pytest.importorskip("transformers.models.clip.image_processing_pil_clip", reason="transformers >= 5.3")
    folder = EMBEDDED_FOLDER / "clip"
    processor = processors.CLIPImageProcessorPil(**json.loads((folder / "preprocessor_config.json").read_text()))
    image = to_image(pictures(1, *size)[0])
    theirs = torch.as_tensor(processor(image, return_tensors="np")["pixel_values"])
    assert torch.allclose(prepared(CLIP, [image]), theirs / 2 + 0.5, atol=1e-6)  # its mean and deviation are a half
    with torch.no_grad():
        found = CLIPModel.from_pretrained(folder).get_image_features(pixel_values=theirs)
    features = found if isinstance(found, torch.Tensor) else found.pooler_output
    assert torch.allclose(seen(image), features / features.norm(), atol=1e-5)


def test_the_clip_score_is_the_scorers_and_a_batch_its_pictures_one_by_one():
    images = [to_image(picture) for picture in pictures(3, 90, 70)]
    texts = [SAYS_RED, "", "a cat " * 200]
    scores = clip_score(seen(*images), text_features(CLIP, texts))
    scorer = ClipScorer("diorama")
    assert scores.tolist() == pytest.approx([scorer.score(*pair) for pair in zip(images, texts, strict=True)], abs=1e-3)
    assert (scores.abs() <= 100).all()


def test_a_cosine_below_zero_stays_below_zero():
    a = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert clip_score(a, torch.tensor([[-1.0, 0.0], [0.8, 0.6]])).tolist() == pytest.approx([-100, 96])


def test_the_directional_similarity_is_the_cosine_of_the_two_steps():
    i, e = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 0]])
    s, t = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0.6, 0.8]])
    # steps (-1, 1, 0) and (-1, 0.6, 0.8): 1.6 / (sqrt 2 · sqrt 2)
    assert float(directional_similarity(i, e, s, t)) == pytest.approx(0.8)
    assert float(directional_similarity(i, e, t, s)) == pytest.approx(-0.8)
    assert float(directional_similarity(e, i, t, s)) == pytest.approx(0.8)


def test_an_edit_that_follows_the_text_has_its_direction_and_the_way_back_the_opposite():
    red, blue = text_features(CLIP, [SAYS_RED]), text_features(CLIP, [SAYS_BLUE])
    there = float(directional_similarity(seen(RED), seen(BLUE), red, blue))
    back = float(directional_similarity(seen(RED), seen(BLUE), blue, red))
    assert there > 0.3 and back == pytest.approx(-there, abs=1e-5)


def test_where_the_direction_is_not_defined():
    """No source or nothing asked: NaN; a picture that did not change: 0, so that doing nothing is not left out."""
    looks = seen(RED, RED, RED, RED)
    edits = seen(BLUE, BLUE, RED, BLUE)
    sources = text_features(CLIP, [None, SAYS_BLUE, SAYS_RED, SAYS_RED])
    found = directional_similarity(looks, edits, sources, text_features(CLIP, [SAYS_BLUE] * 4))
    assert found.isnan().tolist() == [True, True, False, False] and found[2] == 0 and found[3] > 0.3
    rounding = 1e-6 * torch.nn.functional.normalize(edits[3:] - looks[3:])
    assert directional_similarity(looks[3:], looks[3:] + rounding, sources[3:], text_features(CLIP, [SAYS_BLUE])) == 0


def test_around_a_mask_that_is_everything_clip_sees_the_whole_picture():
    for size in ((64, 64), (128, 192), (192, 128)):
        images = pictures(2, *size)
        whole = image_features(CLIP, images)
        assert torch.allclose(image_features_inside(CLIP, images, torch.ones(2, 1, *size)), whole, atol=1e-5)


def test_around_a_mask_clip_sees_nothing_far_away_and_nothing_is_nan():
    images, masks = pictures(3, 60, 90), disks(3, 60, 90)
    masks[2] = 0
    found = image_features_inside(CLIP, images, masks)
    assert found.isnan().any(1).tolist() == [False, False, True]
    far = images.clone()
    far[..., 60:] = 1 - far[..., 60:]
    assert torch.equal(image_features_inside(CLIP, far, masks)[:2], found[:2])
    assert not torch.allclose(image_features(CLIP, far), image_features(CLIP, images), atol=1e-3)
    nearer = torch.where(masks > 0, near(images, 0.5), images)
    assert not torch.allclose(image_features_inside(CLIP, nearer, masks)[:2], found[:2], atol=1e-3)


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((10, 20, 14, 28), (8, 20, 8)),  # wider than high: grown up and down
        ((0, 0, 1, 6), (0, 0, 6)),  # in a corner: shifted into the picture
        ((38, 56, 40, 60), (36, 56, 4)),
        ((0, 3, 10, 60), (0, 11, 40)),  # longer than the picture is high: its middle
        ((7, 9, 8, 10), (7, 9, 1)),
    ],
)
def test_the_square_holds_the_box(box, square):
    mask = torch.zeros(40, 60)
    mask[box[0] : box[2], box[1] : box[3]] = 1
    assert square_around(mask) == square
    assert square_around(torch.zeros(40, 60)) == (0, 0, 0)


def test_features_have_length_1_whatever_the_size():
    features = image_features(CLIP, [*pictures(1, 3, 200), *pictures(1, 7, 7)])
    assert torch.allclose(features.norm(dim=1), torch.ones(2), atol=1e-5)
    assert text_features(CLIP, [None, "a cat"]).isnan().any(1).tolist() == [True, False]
    assert isinstance(to_image(pictures(1, 3, 4)[0]), Image.Image)
