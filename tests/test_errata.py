"""What docs/errata.md says of others' code still holds with the installed versions, and its tests are there."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler

from retouch.backbone.load import load
from retouch.backbone.schedule import schedule_from_config
from retouch.diorama.pairs import edit_pairs
from retouch.guidance.guiders import Guiders
from retouch.guidance.proximal import Proximal, proximal, threshold_of
from retouch.methods.catalogue import parts_of
from retouch.methods.imagic import Imagic
from retouch.methods.registry import methods
from tests.tiny import KINDS, tiny_backbone

ROOT = Path(__file__).parent.parent


@cache
def measured():
    spec = importlib.util.spec_from_file_location("errata", ROOT / "benchmarks" / "errata.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / "docs" / "errata.md").read_text())
    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)


def normal(count=40_000, seed=0):
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("theirs", "own"), [(0.7, 0.4), (0.75, 0.5), (0.9, 0.8)])
def test_a_quantile_over_a_source_without_difference_is_another_of_the_targets_own(theirs, own):
    delta = normal()
    both = torch.cat([torch.zeros_like(delta), delta]).abs().quantile(theirs)
    assert own == pytest.approx(2 * theirs - 1)
    assert float(threshold_of(delta, own)) == pytest.approx(float(both), rel=1e-3)
    assert float(threshold_of(delta, own, torch.zeros_like(delta))) == pytest.approx(float(both), rel=1e-3)
    assert Proximal().quantile == 0.4


def test_the_norm_named_l0_is_soft_thresholding_which_is_the_default():
    delta, limit = normal(), 0.8
    assert torch.allclose(delta - delta.clamp(-limit, limit), proximal(delta, limit, Proximal().prox), atol=1e-6)
    hard = torch.where(delta.abs() > limit, delta, 0)
    assert torch.equal(proximal(delta, limit, "hard"), hard)


def test_the_norm_named_l1_shrinks_once_or_twice_and_turns_negative_changes_round():
    delta, limit = normal(), 0.8
    soft, found = proximal(delta, limit, "soft"), measured().named_l1(delta, limit)
    size, once = delta.abs(), delta.abs() > limit
    large, medium = size > 2 * limit, once & (size < 2 * limit)
    assert torch.allclose(found[large], (delta - 2 * limit * delta.sign())[large], atol=1e-6)
    up, down = medium & (delta > 0), medium & (delta < 0)
    assert torch.allclose(found[up], soft[up], atol=1e-6)
    assert torch.allclose(found[down], 2 * limit - size[down], atol=1e-6) and (found[down] > 0).all()
    assert not found[size < limit].any()
    shares = measured().l1_of_normals()
    assert {name: round(100 * shares[name], 1) for name in ("kept", "turned_round", "shrunk_twice")} == {
        "kept": 30.0, "turned_round": 13.1, "shrunk_twice": 3.8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("deviation", "noise_misses", "v_misses", "tops"),
    [(0.5, 0.0370, 0.0669, (0.999, 0.968)), (1.0, 0.0008, 0.0521, (1.019, 0.967))],
)
def test_the_inverse_scheduler_loses_with_v_prediction(deviation, noise_misses, v_misses, tops):
    """Ours goes up by the inversion itself, which is given v: it misses by as much as with noise."""
    noise, v = (measured().round_trip(kind, deviation) for kind in ("epsilon", "v_prediction"))
    assert noise["theirs"] == pytest.approx(noise_misses, abs=1e-4)
    assert noise["ours"] == pytest.approx(noise["theirs"], rel=1e-3)
    assert v["theirs"] == pytest.approx(v_misses, abs=1e-4)
    assert v["ours"] == pytest.approx(noise["ours"]) and v["our_top"] == pytest.approx(noise["our_top"])
    assert (round(noise["top"], 3), round(v["top"], 3)) == tops


def test_linspace_and_trailing_steps_miss_the_next_timestep():
    missed = measured().off_the_grid
    assert missed("linspace", 50) == {"steps": 19, "of": 49, "at_most": 1}
    assert missed("linspace", 10) == {"steps": 9, "of": 9, "at_most": 11}
    assert missed("trailing", 30) == {"steps": 10, "of": 29, "at_most": 1}
    assert all(missed("trailing", steps)["steps"] == 0 for steps in (10, 20, 50))
    assert all(missed("leading", steps)["steps"] == 0 for steps in (10, 20, 30, 50))


@pytest.mark.parametrize(("spacing", "steps"), [("linspace", 10), ("linspace", 50), ("trailing", 30)])
def test_steps_land_on_the_next_of_those_timesteps(spacing, steps):
    config = {**measured().BETAS, "timestep_spacing": spacing}
    theirs = DDIMScheduler(**config)
    theirs.set_timesteps(steps)
    times, alphas = theirs.timesteps.flip(0), theirs.alphas_cumprod.double()
    schedule, (picture, noise) = schedule_from_config(config, steps), normal(8).double().view(2, 4)
    at = [alphas[t].sqrt() * picture + (1 - alphas[t]).sqrt() * noise for t in times]
    for index in range(1, steps):
        torch.testing.assert_close(schedule.step_down(at[index], noise, index), at[index - 1])
        torch.testing.assert_close(schedule.step_up(at[index - 1], noise, index), at[index])


@pytest.mark.parametrize("kind", KINDS)
def test_guiders_find_their_blocks_by_place_in_every_network(kind, tmp_path):
    """Layout: the decoder's last block; style: the second residual block where it first attends; maps: all of self."""
    model = tiny_backbone(tmp_path, kind)
    decoder = list(model.unet.up_blocks)  # the coarsest first
    attends = next(i for i, block in enumerate(decoder) if len(getattr(block, "attentions", ())))
    places = {"layout": f"up_blocks.{len(decoder) - 1}", "style": f"up_blocks.{attends}.resnets.1"}
    attentions = {name: one for name, one in model.unet.named_modules() if hasattr(one, "to_q")}
    looked_at = {  # IF's look at picture and text at once
        name for name, one in attentions.items()
        if not one.only_cross_attention and (getattr(one, "add_k_proj", None) or not one.is_cross_attention)
    }  # fmt: skip
    for preset, place in places.items():
        guiders = Guiders(preset=preset)
        assert [edit.name for edit in guiders.block_edits(model)] == [place]
        (maps,) = guiders.edits(model)
        assert {layer.name for layer in model.attention_layers() if maps.wants(layer)} == looked_at != set()


def test_imagics_defaults_are_the_papers_for_stable_diffusion():
    """Section 4.1: 1000 steps of the embedding at 2e-3, 1500 of the network at 5e-7, of all its weights."""
    found = Imagic()
    assert (found.embedding_steps, found.embedding_learning_rate) == (1000, 2e-3)
    assert (found.network_steps, found.network_learning_rate, found.adapter_rank) == (1500, 5e-7, 0)
    assert (found.eta, found.batch_size) == (0.7, 1)


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_picture_is_encoded_to_the_mean_and_never_sampled(kind, tmp_path):
    model = tiny_backbone(tmp_path, kind)
    side = 8 * model.vae_factor
    picture = normal(3 * side * side).view(1, 3, side, side).clamp(-1, 1)
    with torch.no_grad():
        mean = model.vae.encode(picture).latent_dist.mean * model.vae.config.scaling_factor
    torch.testing.assert_close(model.encode(picture), mean)


@pytest.mark.slow
def test_null_text_inversion_is_chaotic_and_its_ends_are_as_near_to_the_input():
    """A nudge of 1e-6 moves its end by far more than that of DDIM inversion alone."""
    found = measured().chaos(load("diorama"), next(iter(edit_pairs("colour", 1, 500))), steps=8, inner_steps=4)
    assert found["inversion"] < 5e-4 and found["null_text"] > 20 * found["inversion"]
    one, other = found["psnr"]
    assert one == pytest.approx(other, abs=2) and min(one, other) > 24


def test_there_is_no_edict():
    assert not [name for name in (*methods(), *parts_of("inversion"), *parts_of("sampler")) if "edict" in name]


def test_padding_that_is_paired_by_position_takes_words():
    found = measured().padding_that_takes_words("a cat with a red hat on its head", "a cat")
    assert found["columns"] == found["source_tokens"] - found["target_tokens"] == 7
