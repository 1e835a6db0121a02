"""The identities that hold exactly, on the embedded model."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from retouch.backbone.schedule import Schedule
from retouch.guidance.proximal import edit_mask, proximal, threshold_of
from retouch.methods.catalogue import part_named, parts_of
from retouch.methods.registry import method_named, methods
from retouch.parts.inversions import ddim_inversion
from retouch.parts.job import Job
from tests.small import short

pytestmark = pytest.mark.slow

T = 12


def close(a, b, atol=2e-4):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


def ddim_reconstruction(bench, latents, prompt, steps=T):
    """Inversion and sampling written out, independent of the loop."""
    model, schedule = bench.model, bench.model.schedule(steps)
    embeds = model.condition([prompt])
    z = ddim_inversion(model, latents, embeds, schedule)[-1]
    with torch.no_grad():
        for i in reversed(range(steps)):
            z = schedule.step_down(z, model.predict_noise(z, schedule.timesteps[i], embeds), i)
    return z


@pytest.mark.parametrize("w", [0.0, 1.0, 3.0, 7.5])
def test_negative_prompt_inversion_under_the_source_prompt_is_ddim_reconstruction(bench, case, w):
    latents, source, _ = case
    out = bench.run("negative-prompt", source, source, latents, num_inference_steps=T, guidance_scale=w)
    expected = ddim_reconstruction(bench, latents, source)
    close(out.target, expected)
    close(out.source, expected)


def test_ddib_under_the_same_prompt_is_ddim_reconstruction(bench, case):
    latents, source, _ = case
    out = bench.run("ddib", source, source, latents, num_inference_steps=T)
    close(out.target, ddim_reconstruction(bench, latents, source))


def test_quantile_one_is_ddim_reconstruction(bench, case):
    latents, source, target = case
    out = bench.run(
        "prox-npi", source, target, latents, num_inference_steps=T, quantile=1.0, inversion_guidance=0.0,
        reconstruction_guidance=0.0, cross_replace_steps=0.0, self_replace_steps=0.0,
    )  # fmt: skip
    close(out.target, ddim_reconstruction(bench, latents, source))


def test_quantile_one_with_inversion_guidance_returns_the_picture_itself(bench, case):
    latents, source, target = case
    out = bench.run("prox-npi", source, target, latents, num_inference_steps=T, quantile=1.0)
    close(out.target, latents)


@pytest.mark.parametrize("prox", ["soft", "hard"])
def test_zero_threshold_is_negative_prompt_inversion(bench, each_case, prox):
    latents, source, target = each_case
    plain = bench.run("negative-prompt", source, target, latents, num_inference_steps=T)
    out = bench.run(
        "prox-npi", source, target, latents, num_inference_steps=T, threshold=0.0, prox=prox, inversion_guidance=0.0
    )
    close(out.target, plain.target, atol=1e-3)
    close(out.source, plain.source)


def test_prox_npi_between_equal_prompts_keeps_the_picture(bench, case):
    latents, source, _ = case
    out = bench.run("prox-npi", source, source, latents, num_inference_steps=T)
    close(out.target, latents, atol=1e-3)


def test_latent_align_decodes_to_the_autoencoders_reconstruction_bit_for_bit(bench, case):
    latents, source, target = case
    out = bench.run(
        "prompt-to-prompt", source, target, latents, num_inference_steps=T, parts={"inversion": "latent-align"}
    )
    assert torch.equal(out.source, latents)
    assert torch.equal(bench.model.decode(out.source), bench.model.decode(latents))


def test_sdedit_at_strength_zero_is_the_autoencoders_reconstruction(bench, case):
    latents, _, target = case
    out = bench.run("sdedit", None, target, latents, num_inference_steps=T, strength=0.0)
    assert torch.equal(bench.model.decode(out.target), bench.model.decode(latents))


def test_sdedit_at_strength_one_is_text_to_image(bench, case):
    latents, _, target = case
    model, schedule, w = bench.model, bench.model.schedule(T), 7.5
    z = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    embeds = model.condition([target, ""])
    with torch.no_grad():
        for i in reversed(range(T)):
            text, null = model.predict_noise(torch.cat([z, z]), schedule.timesteps[i], embeds).split(1)
            z = schedule.step_down(z, null + w * (text - null), i)
    out = bench.run("sdedit", None, target, latents, seed=5, num_inference_steps=T, strength=1.0)
    close(out.target, z)


def test_at_whole_steps_sdedit_starts_at_the_schedules_own_levels(bench, case):
    latents, _, target = case
    model, schedule, w = bench.model, bench.model.schedule(20), 3.0
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(5))
    z, embeds = schedule.add_noise(latents, noise, 5), model.condition([target, ""])
    with torch.no_grad():
        for i in reversed(range(6)):
            text, null = model.predict_noise(torch.cat([z, z]), schedule.timesteps[i], embeds).split(1)
            z = schedule.step_down(z, null + w * (text - null), i)
    out = bench.run(
        "sdedit", None, target, latents, seed=5, num_inference_steps=20, strength=0.3, guidance_scale=w
    )  # 0.3 · 20 is 6
    close(out.target, z, atol=1e-4)


def test_every_strength_is_another_picture_and_none_above_zero_is_no_edit(bench, case):
    """Between two timesteps the first step starts on the way: nothing is rounded to whole steps."""
    latents, _, target = case
    settings = {"num_inference_steps": 20, "guidance_scale": 3.0}

    def run(strength):
        before = bench.model.evaluations
        out = bench.run("sdedit", None, target, latents, strength=strength, **settings).target
        cost = bench.model.evaluations - before
        assert cost == method_named("sdedit", {"strength": strength, **settings}).evaluations()
        return out, cost

    ends = {strength: run(strength) for strength in (0.1, 0.11, 0.12, 0.14, 0.15)}
    pictures = [end for end, _ in ends.values()]
    assert all(not torch.equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])
    assert [cost for _, cost in ends.values()] == [4, 6, 6, 6, 6]
    least, cost = run(0.025)
    assert cost == 2 and not torch.equal(least, latents)


@given(st.integers(1, 60), st.floats(0, 1))
@example(1, 1.192092896e-07)
def test_a_part_of_a_step_starts_between_two_timesteps(bench, steps, strength):
    whole = bench.model.schedule(steps)
    part = whole.upto(strength * steps)
    assert (
        list(part.timesteps) == sorted(set(part.timesteps))
        and part.timesteps[:-1] == whole.timesteps[: max(0, len(part.timesteps) - 1)]
    )
    if part.timesteps:
        index = len(part.timesteps) - 1
        assert (whole.timesteps[index - 1] if index else 0) < part.timesteps[-1] <= whole.timesteps[index]


def test_whole_numbers_of_steps_are_the_schedule_itself(bench):
    for steps in (4, 10, 20, 50):
        whole = bench.model.schedule(steps)
        for count in range(steps + 1):
            assert whole.upto(count / steps * steps).timesteps == whole.timesteps[:count]


def test_prompt_to_prompt_without_replacement_is_ddim_editing(bench, each_case):
    latents, source, target = each_case
    plain = bench.run("ddim", source, target, latents, num_inference_steps=T)
    out = bench.run(
        "prompt-to-prompt",
        source,
        target,
        latents,
        num_inference_steps=T,
        cross_replace_steps=0.0,
        self_replace_steps=0.0,
    )
    close(out.target, plain.target, atol=1e-3)


def test_prompt_to_prompt_between_equal_prompts_is_its_own_source_branch(bench, each_case):
    latents, source, _ = each_case
    out = bench.run("prompt-to-prompt", source, source, latents, num_inference_steps=T)
    close(out.target, out.source, atol=1e-3)


def test_self_attention_is_kept_down_to_the_asked_level(bench, case):
    latents, source, target = case

    def edited(level):
        return bench.run(
            "negative-prompt", source, target, latents, num_inference_steps=6, cross_replace_steps=0.0,
            self_replace_steps=1.0, self_replace_downsampling=level,
        )  # fmt: skip

    levels = sorted({layer.downsampling for layer in bench.model.attention_layers(kind="self")})
    all_levels, coarsest, beyond = (edited(level) for level in (1, levels[-1], 64))
    assert torch.equal(coarsest.target, beyond.target)  # a network without so coarse a level keeps its coarsest
    assert not torch.allclose(all_levels.target, coarsest.target, atol=1e-2)


def test_neutral_weights_change_nothing_and_others_do(bench, each_case):
    latents, source, target = each_case
    word = target.split()[-1]
    plain, neutral, strong = (
        bench.run("negative-prompt", source, target, latents, num_inference_steps=T, reweight=r).target
        for r in ("", f"{word}=1", f"{word}=4")
    )
    assert torch.equal(plain, neutral)
    assert not torch.allclose(plain, strong, atol=1e-2)


def test_local_blend_over_everything_changes_nothing(bench, each_case):
    latents, source, target = each_case
    word = source.split()[-1] if source.split()[-1] in target.split() else "a"
    plain = bench.run("negative-prompt", source, target, latents, num_inference_steps=T)
    out = bench.run(
        "negative-prompt", source, target, latents, num_inference_steps=T, blend_words=word, blend_threshold=0.0
    )
    assert out.mask.min() == 1
    close(out.target, plain.target)


def test_local_blend_keeps_the_source_outside_its_mask(bench, each_case):
    latents, source, target = each_case
    out = bench.run("negative-prompt", source, target, latents, num_inference_steps=T, blend_words="auto")
    outside = (out.mask == 0).expand_as(out.target)
    assert 0 < outside.float().mean() < 1
    assert torch.equal(out.target[outside], out.source[outside])


@pytest.mark.parametrize("name", list(methods()))
def test_every_method_costs_what_it_declares_is_repeatable_and_leaves_the_model_alone(bench, case, name):
    latents, source, target = case
    unet, settings, counted = bench.model.unet, short(name, 6), []
    method, before = methods()[name](**settings), bench.model.evaluations
    processors, described = dict(unet.attn_processors), repr(unet)
    weights = {key: value.clone() for key, value in unet.state_dict().items()}
    one = bench.run(name, source, target, latents, seed=4, steps=counted.append, **settings).target
    assert bench.model.evaluations - before == method.evaluations() and sum(counted) == method.steps()
    assert torch.equal(one, bench.run(name, source, target, latents, seed=4, **settings).target)
    assert torch.isfinite(one).all()
    assert all(unet.attn_processors[key] is value for key, value in processors.items())
    assert repr(unet) == described
    assert all(torch.equal(value, weights[key]) for key, value in unet.state_dict().items())
    assert not any(module._forward_hooks for module in unet.modules())


@pytest.mark.parametrize(
    ("name", "error"), [*((name, KeyboardInterrupt) for name in methods()), ("null-text", RuntimeError)]
)
def test_the_model_is_restored_after_an_interruption(bench, case, name, error):
    latents, source, target = case
    unet = bench.model.unet
    own, described, done = dict(unet.attn_processors), repr(unet), 0
    last = methods()[name](**short(name, 6)).steps() - 4

    def interrupt(steps):
        nonlocal done
        done += steps
        if done >= last:  # in the middle of the controlled half
            raise error

    with pytest.raises(error):
        bench.run(name, source, target, latents, steps=interrupt, **short(name, 6))
    assert all(unet.attn_processors[key] is value for key, value in own.items())
    assert repr(unet) == described
    assert not any(module._forward_hooks for module in unet.modules())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in unet.parameters())


def test_the_thresholds_are_the_papers():
    delta = torch.tensor([[-3.0, -1.0, 0.5, 2.0]])
    assert proximal(delta, 1.0, "soft").tolist() == [[-2.0, 0.0, 0.0, 1.0]]
    assert proximal(delta, 1.0, "hard").tolist() == [[-3.0, 0.0, 0.0, 2.0]]
    assert threshold_of(delta, 1.0) == 3 and threshold_of(delta, 0.0) == 0.5
    for prox in ("soft", "hard"):
        assert torch.equal(proximal(delta, 0.0, prox), delta)
        assert not proximal(delta, threshold_of(delta, 1.0), prox).any()
    plane = torch.zeros(1, 1, 5, 5)
    plane[0, 0, 2, 2] = 4.0
    assert (
        edit_mask(plane, 1.0, 1).sum() == 9
        and edit_mask(plane, 1.0, 0).sum() == 1
        and edit_mask(plane, 4.0, 1).sum() == 0
    )


CLIMBING = (
    "ddim", "negative-prompt", "source-negative-prompt", "latent-align", "null-text", "prompt-tuning", "part-way",
)  # fmt: skip


@pytest.fixture
def asked(bench, monkeypatch):
    """What the network is asked: latents and timesteps, one pair for each time."""
    seen, own = [], bench.model.predict

    def predict(latents, timestep, condition):
        seen.append((latents.detach().clone(), int(timestep)))
        return own(latents, timestep, condition)

    monkeypatch.setattr(bench.model, "predict", predict)
    return seen


@pytest.mark.parametrize("name", CLIMBING)
def test_every_inversion_asks_the_network_at_the_upper_timestep(bench, case, asked, name):
    latents, source, target = case
    settings = {"inner_steps": 1} if name in ("null-text", "prompt-tuning") else {}
    job = Job(bench.model, latents, target, source, torch.Generator(), lambda steps: None)
    up = part_named("inversion", name)(**settings).run(job, 5, 7.5).latents
    climbed, timesteps = asked[: len(up) - 1], bench.model.schedule(5).timesteps
    assert len(climbed) == (4 if name == "part-way" else 5)
    for index, (z, timestep) in enumerate(climbed):
        assert timestep == timesteps[index] and torch.equal(z, up[index])


def test_those_are_all_inversions_that_climb_and_the_way_down_asks_at_the_upper_timestep_too(bench, case, asked):
    draw = {"noise", "cycle-diffusion", "edit-friendly", "ledits-pp"}  # their noise, and climb no steps
    assert {*CLIMBING} | draw == set(parts_of("inversion"))
    latents, source, target = case
    bench.run("ddim", source, target, latents, num_inference_steps=5)
    timesteps = bench.model.schedule(5).timesteps
    assert [timestep for _, timestep in asked] == [*timesteps, *reversed(timesteps)]


def test_the_schedule_steps_undo_each_other(bench):
    schedule = bench.model.schedule(T)
    assert isinstance(schedule, Schedule)
    z, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for i in range(T):
        close(schedule.step_down(schedule.step_up(z, noise, i), noise, i), z, atol=1e-5)
