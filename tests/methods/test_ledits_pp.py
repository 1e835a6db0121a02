"""LEDITS++: the solver, the inversion that returns the picture, and several concepts each within a mask of its own."""

from dataclasses import replace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, LEditsPPPipelineStableDiffusion

from retouch.backbone.schedule import Schedule
from retouch.errors import BadParameter, BadPrompt
from retouch.guidance.concepts import Concept, read_concepts
from retouch.guidance.semantic import attention_mask, noise_mask
from retouch.methods.registry import method_named, methods
from retouch.parts.job import Job
from retouch.parts.rows import TARGET_BRANCH, Step
from retouch.parts.trajectory import Trajectory
from retouch.sampler.dpm_solver_pp import DPMSolverSampler
from tests.tiny import KINDS, tiny_backbone

pytestmark = pytest.mark.slow

T = 6


def close(a, b, atol=1e-4):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


def solver(**config):
    return DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", algorithm_type="sde-dpmsolver++",
        solver_order=2, timestep_spacing="leading", steps_offset=1, **config,
    )  # fmt: skip


def theirs_as_ours(scheduler):
    """The schedule that a diffusers solver walks; its last level is free of noise."""
    timesteps = tuple(sorted(int(t) for t in scheduler.timesteps))
    return Schedule(timesteps, scheduler.alphas_cumprod.double(), 1.0)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Small random networks by what they predict, large enough for maps of 8x8 cells at a quarter of the side."""
    models = {kind: tiny_backbone(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}
    for model in models.values():
        model.native_side = 64
    return models


def job_of(model, target="a blue dog", source=None, seed=3, side=64):
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Job(model, model.encode(picture), target, source, torch.Generator().manual_seed(seed), lambda steps: None)


# the solver


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_solver_steps_as_diffusers_does(kind):
    theirs = solver(prediction_type=kind)
    theirs.set_timesteps(20)
    schedule = theirs_as_ours(theirs)
    generator = torch.Generator().manual_seed(0)
    originals, noises = (torch.randn(20, 1, 4, 8, 8, generator=generator) for _ in range(2))
    noises[0] = 0  # what theirs adds in the last step, which ends without noise
    here = z = torch.randn(1, 4, 8, 8, generator=generator)
    ours = DPMSolverSampler()
    ours.begin(Job(None, z, "", "", None, None), Trajectory(schedule, [z] * 21, {}, noises=list(noises)))
    for number, t in enumerate(theirs.timesteps):
        step, original = Step(19 - number, number, 20, schedule), originals[number]
        level = step.level
        noise = (z - level.alpha * original) / level.sigma
        predicted = noise if kind == "epsilon" else level.alpha * noise - level.sigma * original
        here = ours.step(TARGET_BRANCH, *level.split(predicted, here, kind), step)
        z = theirs.step(predicted, t, z, variance_noise=noises[step.index]).prev_sample
        close(here, z, atol=1e-4)


def test_without_found_noises_the_solver_draws_the_seeds_and_both_branches_share_them(bench, case):
    latents, source, target = case
    parts = {"sampler": "dpm-solver++"}
    one, again, other = (
        bench.run("ddim", source, target, latents, seed=seed, parts=parts, num_inference_steps=4).target
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again) and not torch.allclose(one, other, atol=1e-2)
    parts |= {"control": "prompt-to-prompt"}
    equal = bench.run("ddim", source, source, latents, parts=parts, num_inference_steps=4)
    close(equal.target, equal.source, atol=1e-3)


def test_a_step_from_pure_noise_and_one_to_no_noise_are_of_first_order():
    schedule = Schedule((10, 500, 999), torch.cat([torch.linspace(0.999, 0.01, 999), torch.zeros(1)]).double(), 1.0)
    original, noise, found = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = DPMSolverSampler()
    ours.begin(Job(None, noise, "", "", None, None), Trajectory(schedule, [noise] * 4, {}, noises=[found] * 3))
    first, second, last = (
        ours.step(TARGET_BRANCH, original * k, noise, Step(3 - k, k - 1, 3, schedule)) for k in (1, 2, 3)
    )
    close(first, schedule.level(1).alpha * original + schedule.level(1).sigma * found)
    assert torch.isfinite(second).all()
    close(last, 3 * original + found)


# the inversion


@pytest.mark.parametrize("neutral", [{"guidance_scale": 0.0}, {"concepts": "a dog=0; -hat=0"}])
def test_without_an_edit_the_picture_is_returned(bench, case, neutral):
    latents, source, target = case
    out = bench.run("ledits-pp", source, target, latents, num_inference_steps=T, **neutral)
    close(out.target, latents)


@pytest.mark.parametrize("final", [0.9991, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_returned_whatever_the_network_predicts_and_the_schedule_ends_in(drawings, kind, final):
    model = drawings[kind]
    model._schedules[T] = replace(model.schedule(T), final_alpha_cumprod=final)
    job = job_of(model)
    out = method_named("ledits-pp", {"num_inference_steps": T, "guidance_scale": 0.0}).edit(job)
    model._schedules.clear()
    close(out.target, job.latents, atol=5e-4)  # random networks blow rounding up


@pytest.mark.parametrize(("skip", "steps"), [(0.0, 6), (0.4, 4), (1.0, 0)])
def test_skip_leaves_out_the_noisiest_steps(bench, case, skip, steps):
    latents, source, target = case
    before = bench.model.evaluations
    out = bench.run("ledits-pp", source, target, latents, num_inference_steps=T, skip=skip)
    assert bench.model.evaluations - before == 3 * steps
    assert torch.equal(out.target, latents) == (steps == 0)


def test_its_source_branch_is_the_picture_to_the_last_bit(bench, case):
    latents, source, target = case
    parts = {"control": "prompt-to-prompt"}
    out = bench.run("ledits-pp", source, target, latents, parts=parts, num_inference_steps=T)
    assert torch.equal(out.source, latents)


# the concepts


def test_a_line_holds_concepts_with_scales_thresholds_and_a_direction():
    assert read_concepts("a hat=6; -scarf=5@0.8;grass @1 ; -t-shirt", 4.0, 0.9) == [
        Concept("a hat", 6, 0.9), Concept("scarf", 5, 0.8, away=True), Concept("grass", 4, 1),
        Concept("t-shirt", 4, 0.9, away=True),
    ]  # fmt: skip
    assert read_concepts(" ; ", 4.0, 0.9) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hat=big", r"concepts holds 'hat=big', which is not in the right form: write for instance a hat=6"),
        ("hat=5; =4", r"holds '=4', which names no concept"),
        ("-", "holds '-', which names no concept"),
        ("hat=60", r"a scale lies in 0\.\.50 and a threshold in 0\.\.1"),
        ("hat=-6", r"a scale lies in 0\.\.50"),
        ("hat=nan", r"a scale lies in 0\.\.50"),
        ("hat=6@1.5", r"a threshold in 0\.\.1"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_before_the_work(text, says):
    with pytest.raises(BadParameter, match=says):
        method_named("ledits-pp", {"concepts": text})


def test_concepts_that_would_never_act_are_refused():
    with pytest.raises(BadParameter, match="warmup_steps is 9, but the concepts act only until step 9"):
        method_named("ledits-pp", {"num_inference_steps": 10, "skip": 0.1, "warmup_steps": 9})
    with pytest.raises(BadParameter, match="warmup_steps is 5, but the concepts act only until step 3"):
        method_named("ledits-pp", {"warmup_steps": 5, "cooldown_steps": 3})


def test_the_target_prompt_is_the_concept_where_none_is_named(bench, case):
    latents, source, target = case
    own = bench.run("ledits-pp", source, target, latents, num_inference_steps=T).target
    named = bench.run("ledits-pp", None, "a dog", latents, num_inference_steps=T, concepts=target).target
    close(own, named)
    assert not torch.allclose(own, latents, atol=0.1)


def test_a_concept_at_scale_zero_is_as_if_it_were_not_there(bench, case):
    latents, source, target = case
    one, both, other = (
        bench.run("ledits-pp", source, target, latents, num_inference_steps=T, concepts=line).target
        for line in ("snow=5", "snow=5; -a hat=0", "snow=5; -a hat=5")
    )
    close(one, both)
    assert not torch.allclose(one, other, atol=1e-2)


def guidance_at_a_step(bench, case, **settings):
    """The combined prediction and those it is made of, of one step in the middle."""
    latents, source, target = case
    method = method_named("ledits-pp", {"num_inference_steps": T, "concept_masks": "noise", **settings})
    job = Job(bench.model, latents, target, source, torch.Generator().manual_seed(0), lambda steps: None)
    guidance, step = method.guidance_part, Step(2, 3, T, bench.model.schedule(T))
    guidance.prepare(job)
    rows = guidance.rows(TARGET_BRANCH, step)
    drawn = torch.randn(len(rows), 1, *latents.shape[1:], generator=torch.Generator().manual_seed(1))
    predictions = dict(zip(rows, drawn, strict=True))
    return guidance.combine(predictions, TARGET_BRANCH, step).prediction, list(predictions.values())


def test_a_minus_turns_a_concept_round(bench, case):
    there, (null, _) = guidance_at_a_step(bench, case, concepts="snow=3")
    away, _ = guidance_at_a_step(bench, case, concepts="-snow=3")
    close(there - null, null - away)
    assert (there - null).abs().max() > 1


def test_concepts_add_up_each_within_its_own_mask(bench, case):
    combined, (null, snow, hat) = guidance_at_a_step(bench, case, concepts="snow=3@0.5; -a hat=2@0.9")
    snow, hat = snow - null, hat - null
    close(combined, null + 3 * noise_mask(snow, 0.5) * snow - 2 * noise_mask(hat, 0.9) * hat, atol=1e-5)


def test_masks_of_everything_are_classifier_free_guidance(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": T, "guidance_scale": 4.0}
    plain = bench.run("ledits-pp", source, target, latents, parts={"guidance": "classifier-free"}, **settings)
    for masks in ("both", "attention", "noise"):
        out = bench.run("ledits-pp", source, target, latents, edit_threshold=0.0, concept_masks=masks, **settings)
        close(out.target, plain.target, atol=1e-3)


def test_masks_are_quantiles():
    difference = torch.zeros(1, 2, 10, 10)
    difference[0, :, 0, :] = torch.tensor([[1.0] * 10, [-2.0] * 10])
    assert torch.equal(noise_mask(difference, 0.95), (difference[:, :1] != 0).float())
    heat = torch.zeros(1, 1, 8, 8)
    heat[0, 0, 2:4, 2:4] = 1
    assert torch.equal(attention_mask(heat, 0.95), heat)
    assert attention_mask(heat, 0.0).min() == 1


@pytest.mark.parametrize(
    "parts", [{"control": "prompt-to-prompt"}, {"control": "mutual-self-attention"}, {"guidance": "semantic+guiders"}]
)
def test_named_concepts_go_with_controls_and_additions(bench, case, parts):
    latents, source, target = case
    before = bench.model.evaluations
    settings = {"num_inference_steps": 6, "concepts": "snow; -a hat"}
    out = bench.run("ledits-pp", source, target, latents, parts=parts, **settings)
    assert torch.isfinite(out.target).all() and not torch.allclose(out.target, latents, atol=1e-2)
    assert bench.model.evaluations - before == method_named("ledits-pp", settings, **parts).evaluations()


def test_the_user_hears_what_is_cut_off_a_concept(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": 1, "concepts": f"a hat; a {'dark ' * 90}forest"}
    (note,) = bench.run("ledits-pp", source, target, latents, **settings).notes
    assert note.startswith("a concept is longer than the model reads (") and note.endswith("dark forest'.")


def test_the_published_settings():
    method = methods()["ledits-pp"]()
    assert (method.guidance_scale, method.edit_threshold, method.skip, method.concept_masks) == (5, 0.9, 0.15, "both")
    assert (method.warmup_steps, method.cooldown_steps) == (0, None)
    assert not method.needs_source and not method.reconstructs() and method.evaluations() == 43 + 2 * 43
    assert not method_named("ledits-pp", {"guidance_scale": 1.0}).reconstructs()


# diffusers' own pipeline


@pytest.mark.parametrize(
    ("masks", "theirs"),
    [
        ("both", {}),
        ("attention", {"use_intersect_mask": False, "use_cross_attn_mask": True}),
        ("noise", {"use_intersect_mask": False}),
    ],
)
def test_the_edit_is_that_of_diffusers_pipeline(drawings, masks, theirs, monkeypatch):
    """On one schedule, and without what our last step adds; latents of 32x32, whose maps have 8x8 cells."""
    model, scheduler = drawings["sd1"], solver()
    pipeline = LEditsPPPipelineStableDiffusion(
        model.vae, model.text_encoder, model.tokenizer, model.unet, scheduler, None, None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    job, texts = job_of(model, seed=5), ("a cat", "red")
    monkeypatch.setattr(pipeline, "encode_image", lambda *args, **kwargs: (job.latents, None))
    encode = pipeline.encode_prompt

    def encoded(*args, **kwargs):  # fast tokenizers count the padding as the prompt's
        edit, null, _ = encode(*args, **kwargs)
        return edit, null, [model.tokens(text).end - 1 for text in texts]

    monkeypatch.setattr(pipeline, "encode_prompt", encoded)
    own = dict(model.unet.attn_processors)
    pipeline.invert(None, num_inversion_steps=15, skip=0.2, generator=torch.Generator().manual_seed(5))
    expected = pipeline(
        editing_prompt=list(texts), reverse_editing_direction=[False, True], edit_guidance_scale=[6.0, 4.0],
        edit_threshold=[0.7, 0.8], edit_warmup_steps=[2, 2], output_type="latent", **theirs,
    ).images  # fmt: skip
    model.unet.set_attn_processor(own)

    scheduler.set_timesteps(18)
    monkeypatch.setitem(model._schedules, 18, theirs_as_ours(scheduler))
    settings = {
        "num_inference_steps": 18, "skip": 3 / 18, "concepts": "a cat=6@0.7; -red=4@0.8", "concept_masks": masks,
        "warmup_steps": 2,
    }  # fmt: skip
    method = method_named("ledits-pp", settings)
    trajectory = method.inverted(job)
    for index, noises in enumerate(pipeline.zs.flip(0)[1:], 1):
        close(trajectory.noises[index], noises, atol=1e-3)
    assert trajectory.noises is not None
    ours = method.denoised(job, replace(trajectory, noises=[torch.zeros_like(job.latents), *trajectory.noises[1:]]))
    close(ours.target, expected, atol=1e-3)
    assert not torch.allclose(expected, job.latents, atol=0.1)


@pytest.mark.parametrize(
    ("concepts", "says"),
    [("a (red:1.3) hat=6", "concepts holds weights .*red=1.3"), ("<lora:x:1>", "a network to load")],
)
def test_weights_of_words_in_a_concept_are_refused(concepts, says):
    with pytest.raises(BadPrompt, match=says):
        method_named("ledits-pp", {"concepts": concepts})


def test_parentheses_in_a_concept_are_text():
    assert [concept.text for concept in read_concepts("a hat (small)=6", 5, 0.9)] == ["a hat (small)"]
