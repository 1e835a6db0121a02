"""Guidances on top of others: whatever the base asks for and in whichever order, all shift the same combination."""

import pytest
import torch

from retouch.methods.registry import method_named
from tests.methods.test_composition import edit
from tests.methods.test_noise_maps import close
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp("m"), "sd2")


def run(model, guidance, **settings):
    method = method_named("ddim", {"num_inference_steps": 4, **settings}, guidance=guidance)
    before = model.evaluations
    found = edit(model, method).target
    assert model.evaluations - before == method.evaluations()
    return found


@pytest.mark.parametrize("preset", ["layout", "style"])
def test_perturbed_attention_and_energies_are_the_same_in_either_order(model, preset):
    settings = {"preset": preset, "pag_scale": 50.0, "pag_layers": "all"}
    one = run(model, "classifier-free+perturbed-attention+guiders", **settings)
    other = run(model, "classifier-free+guiders+perturbed-attention", **settings)
    close(one, other, atol=1e-4)
    assert not torch.allclose(one, run(model, "classifier-free+guiders", preset=preset), atol=1e-3)


@pytest.mark.parametrize("guidance", ["semantic+pag", "semantic+pag+guiders", "semantic+guiders+pag"])
def test_perturbed_attention_goes_with_concepts(model, guidance):
    settings = {"concepts": "a hat=3; -cat", "pag_layers": "all"}
    on, off = (run(model, guidance, **settings, pag_scale=scale) for scale in (50.0, 0.0))
    assert not torch.allclose(on, off, atol=1e-3)
