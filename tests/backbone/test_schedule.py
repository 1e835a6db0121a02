"""The schedule agrees with diffusers' DDIM scheduler and steps undo each other."""

import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler
from hypothesis import given
from hypothesis import strategies as st

from retouch.backbone.schedule import schedule_from_config, to_epsilon
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
    config = PNDMScheduler(**{k: v for k, v in BASE.items() if k != "clip_sample"}, steps_offset=1, skip_prk_steps=True).config
    assert schedule_from_config(config, 50).timesteps[:2] == (1, 21)


@given(st.integers(0, 49), st.integers(0, 10**6))
def test_up_and_down_undo_each_other(index, seed):
    schedule = schedule_from_config(DDIMScheduler(**BASE, set_alpha_to_one=False, steps_offset=1).config, 50)
    z, noise = random(seed, 1, 4, 3, 3), random(seed + 1, 1, 4, 3, 3)
    torch.testing.assert_close(schedule.step_down(schedule.step_up(z, noise, index), noise, index), z)
    original = schedule.predicted_original(z, noise, index)
    torch.testing.assert_close(schedule.add_noise(original, noise, index), z)


@given(st.floats(0.001, 0.999), st.integers(0, 10**6))
def test_every_prediction_type_means_the_same_noise(alpha, seed):
    original, noise, a = random(seed, 1, 4, 2, 2), random(seed + 1, 1, 4, 2, 2), torch.tensor(alpha, dtype=torch.float64)
    z = a.sqrt() * original + (1 - a).sqrt() * noise
    v = a.sqrt() * noise - (1 - a).sqrt() * original
    for output, kind in ((noise, "epsilon"), (v, "v_prediction"), (original, "sample")):
        torch.testing.assert_close(to_epsilon(output, z, a, kind), noise, atol=1e-8, rtol=1e-6)
    with pytest.raises(BadModel, match="flow"):
        to_epsilon(v, z, a, "flow")


def test_zero_terminal_snr_stays_finite():
    config = DDIMScheduler(**BASE, rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction").config
    schedule = schedule_from_config(config, 10)
    z = random(3, 1, 4, 4, 4)
    assert schedule.timesteps[-1] == 999
    assert torch.isfinite(schedule.step_down(z, z, 9)).all()


@pytest.mark.parametrize("steps", [0, -3, 1001])
def test_impossible_step_counts_are_refused(steps):
    with pytest.raises(BadParameter, match=r"1\.\.1000"):
        schedule_from_config(DDIMScheduler(**BASE).config, steps)
