"""The schedule agrees with diffusers' DDIM scheduler and steps undo each other."""

import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler
from hypothesis import given
from hypothesis import strategies as st

from retouch.backbone.schedule import Level, schedule_from_config
from retouch.errors import BadModel, BadParameter

BASE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("steps", [5, 20, 50])
def test_a_step_down_is_diffusers_ddim_step(spacing, offset, to_one, steps):
    scheduler = DDIMScheduler(**BASE, timestep_spacing=spacing, steps_offset=offset, set_alpha_to_one=to_one)
    scheduler.set_timesteps(steps)
    schedule = schedule_from_config(scheduler.config, steps)
    assert list(schedule.timesteps) == sorted(scheduler.timesteps.tolist())
    z, noise = random(0, 1, 4, 4, 4), random(1, 1, 4, 4, 4)
    for i, t in enumerate(schedule.timesteps):
        # diffusers steps by 1000 // T; its own previous timestep is ours wherever the spacing is even
        lower = schedule.timesteps[i - 1] if i else -1
        if t - 1000 // steps == lower or (i == 0 and t - 1000 // steps < 0):
            expected = scheduler.step(noise, t, z).prev_sample
            torch.testing.assert_close(schedule.step_down(z, noise, i), expected, atol=1e-4, rtol=1e-4)


def test_other_schedulers_configs_are_understood():
    config = PNDMScheduler(
        **{k: v for k, v in BASE.items() if k != "clip_sample"}, steps_offset=1, skip_prk_steps=True
    ).config
    assert schedule_from_config(config, 50).timesteps[:2] == (1, 21)


@given(st.integers(0, 49), st.integers(0, 10**6))
def test_up_and_down_undo_each_other(index, seed):
    schedule = schedule_from_config(DDIMScheduler(**BASE, set_alpha_to_one=False, steps_offset=1).config, 50)
    z, noise = random(seed, 1, 4, 3, 3), random(seed + 1, 1, 4, 3, 3)
    torch.testing.assert_close(schedule.step_down(schedule.step_up(z, noise, index), noise, index), z)
    original = schedule.level(index).original(z, noise)
    torch.testing.assert_close(schedule.add_noise(original, noise, index), z)


@given(st.floats(0.001, 0.999), st.integers(0, 10**6))
def test_every_prediction_type_means_the_same_noise(alpha, seed):
    original, noise, a = (
        random(seed, 1, 4, 2, 2),
        random(seed + 1, 1, 4, 2, 2),
        torch.tensor(alpha, dtype=torch.float64),
    )
    z = a.sqrt() * original + (1 - a).sqrt() * noise
    v = a.sqrt() * noise - (1 - a).sqrt() * original
    for output, kind in ((noise, "epsilon"), (v, "v_prediction"), (original, "sample")):
        level = Level(a.sqrt(), (1 - a).sqrt())
        for found, expected in zip(level.split(output, z, kind), (original, noise), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)
        torch.testing.assert_close(level.noise(output, z, kind), noise, atol=1e-8, rtol=1e-6)
        shifted = level.noise(output + 0.5, z, kind) - level.noise(output, z, kind)
        torch.testing.assert_close(shifted, torch.full_like(z, 0.5 * float(level.noise_scale(kind))))
    with pytest.raises(BadModel, match="flow"):
        level.split(v, z, "flow")


@given(
    st.sampled_from(["leading", "trailing", "linspace"]),
    st.integers(0, 1),
    st.booleans(),
    st.integers(1, 1000),
    st.integers(0, 999),
)
def test_every_number_of_steps_gives_as_many_and_each_lands_on_the_next_noise_level(spacing, offset, to_one, steps, i):
    config = {**BASE, "timestep_spacing": spacing, "steps_offset": offset, "set_alpha_to_one": to_one}
    schedule = schedule_from_config(config, steps)
    assert len(schedule.timesteps) == steps and list(schedule.timesteps) == sorted(set(schedule.timesteps))
    assert schedule.timesteps[0] >= 0 and schedule.timesteps[-1] <= 999
    i %= steps
    original, noise = random(i, 1, 4, 2, 2), random(i + 1, 1, 4, 2, 2)
    below = schedule.step_down(schedule.add_noise(original, noise, i), noise, i)
    a = schedule.alpha(i - 1)
    torch.testing.assert_close(below, a**0.5 * original + (1 - a) ** 0.5 * noise)


def test_timesteps_that_diffusers_puts_outside_the_training_range_are_mended():
    theirs = DDIMScheduler(**BASE, timestep_spacing="trailing")
    theirs.set_timesteps(61)
    assert len(theirs.timesteps) == 62 and theirs.timesteps[-1] == -1
    ours = schedule_from_config({**BASE, "timestep_spacing": "trailing"}, 61).timesteps
    assert list(ours) == sorted(theirs.timesteps.tolist())[1:]
    assert schedule_from_config({**BASE, "steps_offset": 1}, 1000).timesteps == tuple(range(1000))


def test_a_scheduler_config_of_another_family_is_refused():
    with pytest.raises(BadModel, match="gives no sampling timesteps"):
        schedule_from_config({"beta_schedule": "unheard_of"}, 10)


def zero_snr(prediction_type):
    settings = {**BASE, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    scheduler = DDIMScheduler(**settings, prediction_type=prediction_type)
    scheduler.set_timesteps(10)
    return scheduler


def test_zero_terminal_snr_steps_like_diffusers_with_the_same_v():
    scheduler = zero_snr("v_prediction")
    schedule = schedule_from_config(scheduler.config, 10)
    assert schedule.timesteps[-1] == 999 and scheduler.alphas_cumprod[999] == 0
    z, v = random(3, 1, 4, 4, 4), random(4, 1, 4, 4, 4)
    for i in (9, 8, 0):  # at the first ᾱ is 0, and nothing is divided by it
        expected = scheduler.step(v, schedule.timesteps[i], z)
        original, _ = schedule.level(i).split(v, z, "v_prediction")
        torch.testing.assert_close(original, expected.pred_original_sample, atol=1e-6, rtol=0)
        torch.testing.assert_close(schedule.down(v, z, i, "v_prediction"), expected.prev_sample, atol=1e-6, rtol=0)


def test_predicting_noise_at_zero_snr_is_refused():
    with pytest.raises(BadModel, match="timestep 999"):
        schedule_from_config(zero_snr("epsilon").config, 10)


@pytest.mark.parametrize("steps", [0, -3, 1001])
def test_impossible_step_counts_are_refused(steps):
    with pytest.raises(BadParameter, match=r"1\.\.1000"):
        schedule_from_config(DDIMScheduler(**BASE).config, steps)
