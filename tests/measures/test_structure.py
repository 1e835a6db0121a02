"""The structure distance on a small random vision transformer, against computations of its own."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import ViTModel

from retouch.errors import BadModel
from retouch.measures.structure import Dino, self_similarity, structure_distance
from tests.measures.stand_ins import near, pictures, random_vit

A = pictures(3, 32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return random_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def dino(folder):
    return Dino(folder)


def written_out(folder, pictures):
    """The last block's keys from what goes into it and the weights in the file, under the names of published ones."""
    model, weights = ViTModel.from_pretrained(folder).eval(), load_file(f"{folder}/model.safetensors")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        states = model((pictures - mean) / std, output_hidden_states=True).hidden_states[2]  # into the third of three
    block = "encoder.layer.2."
    normal = functional.layer_norm(
        states, states.shape[-1:], weights[block + "layernorm_before.weight"], weights[block + "layernorm_before.bias"],
        model.config.layer_norm_eps,
    )  # fmt: skip
    key = block + "attention.attention.key."
    return normal @ weights[key + "weight"].T + weights[key + "bias"]


def test_the_keys_are_those_of_the_last_block_with_the_heads_side_by_side(folder, dino):
    keys = dino.keys(A)
    assert keys.shape == (3, 1 + 4 * 4, 24)
    assert torch.allclose(keys, written_out(folder, A), atol=1e-4)
    assert not keys.requires_grad


def test_values_outside_0_to_1_are_taken_as_they_are(folder, dino):
    assert torch.allclose(dino.keys(255 * A), written_out(folder, 255 * A), atol=1e-3)


@pytest.mark.parametrize(
    ("size", "patches"),
    [((64, 64), 16), ((32, 50), 4 * 6), ((50, 32), 4 * 6), ((16, 30), 4 * 7), ((20, 200), 1 * 8), ((4, 400), 1 * 8)],
)
def test_the_shorter_side_becomes_the_models_and_the_longer_is_bounded(dino, size, patches):
    """At most 480 / 224 of it: here 68, and the shorter side with it, though never less than a patch."""
    assert dino.keys(pictures(1, *size)).shape == (1, 1 + patches, 24)


def test_larger_pictures_are_scaled_without_anti_aliasing(dino):
    large = pictures(2, 64, 96)
    small = functional.interpolate(large, (32, 48), mode="bilinear", antialias=False)
    assert torch.allclose(dino.keys(large), dino.keys(small), atol=1e-5)


def test_the_distance_is_the_mean_square_of_the_cosines_differences(dino):
    a, b = dino.keys(A), dino.keys(near(A, 0.3))
    expected = []
    for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True):
        cosines = [np.array([[p @ q / np.linalg.norm(p) / np.linalg.norm(q) for q in z] for p in z]) for z in (x, y)]
        expected.append(((cosines[0] - cosines[1]) ** 2).mean())
    found = structure_distance(a, b)
    assert found.tolist() == pytest.approx(expected, rel=1e-3) and found.shape == (3,) and (found > 0).all()
    assert torch.allclose(found, structure_distance(b, a))
    alone = [structure_distance(dino.keys(A[i : i + 1]), dino.keys(near(A, 0.3)[i : i + 1])) for i in range(3)]
    assert torch.allclose(torch.cat(alone), found, rtol=1e-3)
    assert torch.allclose(structure_distance(a, 7 * a), torch.zeros(3), atol=1e-10)


def test_the_self_similarity_is_made_of_cosines(dino):
    found = self_similarity(dino.keys(A))
    assert found.shape == (3, 17, 17) and found.abs().max() <= 1 + 1e-5
    assert torch.allclose(found.diagonal(dim1=1, dim2=2), torch.ones(3, 17))
    assert torch.allclose(found, found.transpose(1, 2))


def test_looking_leaves_the_model_as_it_was(dino):
    dino.load()
    before = repr(dino._loaded)
    dino.keys(A)
    assert repr(dino._loaded) == before
    assert not any(module._forward_hooks for module in dino._loaded.modules() if type(module).__name__ == "Linear")


def test_a_model_that_is_absent_or_incomplete_is_one_sentence(folder, tmp_path):
    sentence = r"could not be loaded \(\w+\): give a folder with a transformers ViT model, or connect once"
    for name in (str(tmp_path), "facebook/dino-vitb8", "diorama"):
        with pytest.raises(BadModel, match=sentence):
            Dino(name).load()
    ViTModel.from_pretrained(folder).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("encoder.layer.2.attention.attention.key.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadModel, match=sentence):
        Dino(tmp_path).load()
