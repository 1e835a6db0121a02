"""LPIPS on networks with random features, against the definition written out; and what is said where it cannot run."""

import os
from urllib.error import URLError

import pytest
import torch
import torchmetrics.functional.image.lpips as theirs

from retouch.errors import BadModel
from retouch.measures.perceptual import Lpips
from tests.measures.stand_ins import disks, near, pictures, random_features, random_torchvision, without

A = pictures(3, 48, 64)
B = near(A, 0.2)
MASKS = disks(3, 48, 64)
LAYERS = {"alex": ("alexnet", (1, 4, 7, 9, 11)), "vgg": ("vgg16", (3, 8, 15, 22, 29)),
          "squeeze": ("squeezenet1_1", (1, 4, 7, 9, 10, 11, 12))}  # fmt: skip
"""After which of a network's layers LPIPS compares (Zhang et al., appendix B)."""


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    random_torchvision(monkeypatch)


def written_out(network, a, b):
    """The distance of two pictures [1, 3, H, W]."""
    name, layers = LAYERS[network]
    folder = os.path.join(os.path.dirname(theirs.__file__), "lpips_models")
    weights = torch.load(os.path.join(folder, f"{network}.pth"), map_location="cpu", weights_only=True)
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    total, x, y = 0.0, (2 * a - 1 - shift) / scale, (2 * b - 1 - shift) / scale
    for number, layer in enumerate(random_features(name)[: layers[-1] + 1]):
        x, y = layer(x), layer(y)
        if number in layers:
            p, q = (v / (v.square().sum(1, keepdim=True) + 1e-8).sqrt() for v in (x, y))
            weight = weights[f"lin{layers.index(number)}.model.1.weight"].view(1, -1, 1, 1)
            total += float((weight * (p - q).square()).sum(1).mean())
    return total


@pytest.mark.parametrize("network", LAYERS)
def test_the_distance_is_the_definition_for_every_picture_of_a_batch(network):
    found = Lpips(network).distance(A[:2], B[:2])
    with torch.no_grad():
        expected = [written_out(network, A[i : i + 1], B[i : i + 1]) for i in range(2)]
    assert found.tolist() == pytest.approx(expected, rel=1e-3) and min(expected) > 0


def test_neither_picture_comes_first_and_identical_ones_do_not_differ():
    lpips = Lpips("alex")
    assert torch.allclose(lpips.distance(A, B), lpips.distance(B, A), rtol=1e-4)
    assert (lpips.distance(A, A) == 0).all()
    assert lpips.distance(A[:1], B[:1]).shape == (1,)


def test_outside_a_mask_only_what_lies_outside_counts():
    lpips = Lpips("alex")
    edit = torch.where(MASKS > 0, 1 - A, A)
    assert (lpips.distance_outside(A, edit, MASKS) == 0).all() and (lpips.distance(A, edit) > 0).all()
    inverted = torch.where(MASKS > 0, 1 - B, B)  # of an edit that differs everywhere
    assert torch.allclose(lpips.distance_outside(A, inverted, MASKS), lpips.distance_outside(A, B, MASKS))
    assert torch.allclose(lpips.distance_outside(A, B, torch.zeros_like(MASKS)), lpips.distance(A, B))


def test_nothing_outside_and_pictures_too_small_are_nan():
    masks = MASKS.clone()
    masks[1] = 1
    assert Lpips("alex").distance_outside(A, B, masks).isnan().tolist() == [False, True, False]
    for network in LAYERS:
        assert Lpips(network).distance(A[..., :31], B[..., :31]).isnan().all()
        assert Lpips(network).distance(A[:1, :, :32, :32], B[:1, :, :32, :32]).isfinite().all()


def test_the_network_is_made_once(monkeypatch):
    made = []
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda name, _: made.append(name) or random_features(name))
    lpips = Lpips("squeeze")
    assert not made
    lpips.load()
    lpips.distance(A[:1], B[:1])
    lpips.distance(A[:1], B[:1])
    assert made == ["squeezenet1_1"]


def test_without_torchvision_or_weights_one_sentence_says_how_to_get_them(monkeypatch):
    def refuse(*_):
        raise URLError("no connection")

    monkeypatch.setattr(theirs, "_get_tv_model_features", refuse)
    with pytest.raises(BadModel, match=r"weights of VGG.* could not be loaded \(URLError\): connect once"):
        Lpips("vgg").distance(A, B)
    without(monkeypatch, "torchvision")
    with pytest.raises(BadModel, match=r"LPIPS needs torchvision, .*pip install torchvision\.$"):
        Lpips("alex").load()
