"""The Fréchet distance of sets, against its closed form."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from retouch.backbone.clip import Clip
from retouch.errors import BadModel
from retouch.measures.clip import image_features
from retouch.measures.sets import Inception, frechet_distance
from tests.measures.stand_ins import near, pictures, without


def drawn(mean, covariance, count=50, seed=0):
    """Samples whose mean and covariance are exactly those."""
    rows = np.random.default_rng(seed).normal(size=(count, len(mean)))
    rows -= rows.mean(0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows.T)))).T  # white
    return torch.from_numpy(rows @ np.linalg.cholesky(covariance).T + mean)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


def random_covariance(seed):
    rows = np.random.default_rng(seed).normal(size=(4, 4))
    return rows @ rows.T + 0.1 * np.eye(4)


def test_the_distance_of_gaussians_is_the_closed_form():
    means, covariances = np.random.default_rng(0).normal(size=(2, 4)), [random_covariance(1), random_covariance(2)]
    between = root(root(covariances[0]) @ covariances[1] @ root(covariances[0]))
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * between)
    a, b = (drawn(m, c, count, count) for m, c, count in zip(means, covariances, (30, 50), strict=True))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations():
    a, b = drawn(np.array([1.0]), np.array([[4.0]])), drawn(np.array([4.0]), np.array([[0.25]]))
    assert frechet_distance(a, b) == pytest.approx(3**2 + 1.5**2)


def test_a_set_is_at_zero_from_itself_and_a_shift_costs_its_square():
    a = drawn(np.zeros(4), random_covariance(3)).float()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(a, a + torch.tensor([3.0, 4, 0, 0])) == pytest.approx(25, rel=1e-4)


def test_fewer_than_two_pictures_or_nan_are_nan():
    a = torch.randn(5, 3)
    assert math.isnan(frechet_distance(a, a[:1])) and math.isnan(frechet_distance(a[:0], a))
    assert math.isnan(frechet_distance(a, a.where(a < a.max(), torch.nan)))
    assert math.isfinite(frechet_distance(a, a[:2]))


def test_more_noise_is_further_away_in_clips_features():
    clip, images = Clip("diorama"), pictures(6, 64, 64)
    images = images * 0.2 + torch.linspace(0, 0.8, 64)
    features = image_features(clip, images)
    distances = [frechet_distance(features, image_features(clip, near(images, a))) for a in (0, 0.05, 0.3)]
    assert distances[0] == pytest.approx(0, abs=1e-5) and distances[0] < distances[1] < distances[2]


def test_without_torch_fidelity_one_sentence_says_how_to_get_it(monkeypatch):
    import torchmetrics.image.fid

    monkeypatch.setattr(torchmetrics.image.fid, "_TORCH_FIDELITY_AVAILABLE", False)
    without(monkeypatch, "torch_fidelity")
    with pytest.raises(BadModel, match=r"FID needs torch-fidelity, .*pip install torch-fidelity"):
        Inception().features(pictures(1, 8, 8))


def test_inception_is_shown_bytes_and_a_failed_download_is_one_sentence(monkeypatch):
    import torchmetrics.image.fid

    class Metric:
        def __init__(self, feature):
            assert feature == 2048
            self.inception = nn.Flatten()

    images = pictures(2, 3, 4)
    monkeypatch.setattr(torchmetrics.image.fid, "FrechetInceptionDistance", Metric)
    shown = Inception().features(images)
    assert shown.dtype == torch.uint8 and torch.equal(shown.float(), (images * 255).flatten(1).round())

    def refuse(feature):
        raise OSError("no connection")

    monkeypatch.setattr(torchmetrics.image.fid, "FrechetInceptionDistance", refuse)
    with pytest.raises(BadModel, match=r"weights of Inception.* \(OSError\): connect once"):
        Inception().features(images)
