"""The published equations of the tuning-free systems, on the embedded model."""

import pytest
import torch

from retouch.backbone.condition import Condition
from retouch.control.none import NoControl
from retouch.errors import BadParameter, BadPrompt
from retouch.guidance.classifier_free import ClassifierFree
from retouch.guidance.guiders import Guiders, rescaled
from retouch.guidance.map_distance import map_distance
from retouch.guidance.stack import Stack
from retouch.inversion.null_text import null_text_inversion
from retouch.inversion.prompt_tuning import prompt_tuning_inversion
from retouch.methods.loop import denoise
from retouch.parts.inversions import Inversions, ddim_inversion
from retouch.parts.job import Job
from retouch.parts.trajectory import Trajectory
from retouch.sampler.ddim import DDIMSampler

pytestmark = pytest.mark.slow

T = 8


def close(a, b, atol=2e-4):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


def psnr(one, other):
    return float(10 * torch.log10(4 / (one - other).square().mean()))


# null-text inversion


@pytest.fixture(scope="module")
def fitted(bench, case):
    """Null-text inversion of a picture, beside guided sampling with the empty prompt."""
    latents, source, _ = case
    model, schedule = bench.model, bench.model.schedule(T)
    text, null = model.condition([source, ""]).split()
    up = ddim_inversion(model, latents, text, schedule)
    found = null_text_inversion(model, up, text, null, schedule, guidance_scale=7.5, early_stop=0.0)
    return latents, up, found


@pytest.mark.xdist_group("fitted null text")
def test_the_null_text_loss_falls_at_every_timestep(fitted):
    _, _, found = fitted
    assert len(found.losses) == T
    assert all(last < first for first, last in found.losses)


@pytest.mark.xdist_group("fitted null text")
def test_null_text_reconstructs_better_than_the_empty_prompt(bench, case, fitted):
    latents, source, _ = case
    _, up, found = fitted
    assert torch.equal(found.path[-1], up[-1])
    plain = bench.run("ddim", source, source, latents, num_inference_steps=T, guidance_scale=7.5).target
    truth = bench.model.decode(latents)
    optimised, unoptimised = (psnr(bench.model.decode(z), truth) for z in (found.path[0], plain))
    assert optimised >= unoptimised + 1


@pytest.mark.xdist_group("fitted null text")
def test_the_null_texts_lead_guided_sampling_along_the_fitted_path(bench, case, fitted):
    _, source, _ = case
    _, up, found = fitted
    model, schedule, z = bench.model, bench.model.schedule(T), up[-1]
    text = model.condition([source])
    with torch.no_grad():
        for i in reversed(range(T)):
            null, eps = model.predict_noise(
                torch.cat([z, z]), schedule.timesteps[i], Condition.cat([found.conditions[i], text])
            ).split(1)
            z = schedule.step_down(z, null + 7.5 * (eps - null), i)
            close(z, found.path[i], atol=2e-3)


def test_null_text_without_fitting_is_prompt_to_prompt(bench, case):
    latents, source, target = case
    plain = bench.run("prompt-to-prompt", source, target, latents, num_inference_steps=T)
    out = bench.run("null-text", source, target, latents, num_inference_steps=T, inner_steps=0)
    close(out.target, plain.target, atol=2e-3)
    close(out.source, plain.source, atol=2e-3)


def test_null_text_between_equal_prompts_is_its_own_reconstruction(bench, case):
    latents, source, _ = case
    out = bench.run("null-text", source, source, latents, num_inference_steps=T, inner_steps=3)
    close(out.target, out.source, atol=5e-3)


def test_an_early_stop_saves_evaluations(bench, case):
    latents, source, target = case
    spent = []
    for early_stop in (0.0, 1.0):
        before = bench.model.evaluations
        bench.run("null-text", source, target, latents, num_inference_steps=4, inner_steps=3, early_stop=early_stop)
        spent.append(bench.model.evaluations - before)
    assert spent == [4 + 4 * 5 + 4 * 3, 4 + 4 * 2 + 4 * 3]


# prompt-tuning inversion


def test_prompt_tuning_follows_the_inversion_more_closely_than_the_prompt(bench, case):
    latents, source, _ = case
    model, schedule = bench.model, bench.model.schedule(T)
    text = model.condition([source])
    up = ddim_inversion(model, latents, text, schedule)
    found = prompt_tuning_inversion(model, up, text, schedule, early_stop=0.0)
    assert all(last < first for first, last in found.losses)
    plain = bench.run("ddib", source, source, latents, num_inference_steps=T).target
    assert (found.path[0] - latents).square().mean() < (plain - latents).square().mean()


def test_prompt_tuning_with_eta_zero_at_guidance_one_is_its_reconstruction(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": T, "inner_steps": 3, "eta": 0.0}
    out = bench.run("prompt-tuning", source, target, latents, guidance_scale=1.0, **settings)
    kept = bench.run(
        "prompt-tuning", source, target, latents, parts={"control": "prompt-to-prompt"}, guidance_scale=1.0, **settings
    )
    close(out.target, kept.source, atol=2e-3)  # the source branch passes where the fit passed


def test_prompt_tuning_with_eta_one_is_ddim_editing(bench, case):
    latents, source, target = case
    plain = bench.run("ddim", source, target, latents, num_inference_steps=T)
    out = bench.run("prompt-tuning", source, target, latents, num_inference_steps=T, inner_steps=1, eta=1.0)
    close(out.target, plain.target, atol=2e-3)


# MasaCtrl


@pytest.mark.parametrize("name", ["masactrl", "prox-masactrl"])
def test_mutual_attention_between_equal_prompts_keeps_to_the_source(bench, case, name):
    latents, source, _ = case
    settings = {"threshold": 0.0} if name == "prox-masactrl" else {}
    out = bench.run(name, source, source, latents, num_inference_steps=T, guidance_scale=1.0, **settings)
    close(out.target, out.source, atol=1e-3)


def test_prox_masactrl_without_a_threshold_is_masactrl_with_a_faithful_source(bench, case):
    latents, source, target = case
    plain = bench.run(
        "masactrl", source, target, latents, parts={"inversion": "source-negative-prompt"}, num_inference_steps=T
    )
    out = bench.run("prox-masactrl", source, target, latents, num_inference_steps=T, threshold=0.0)
    close(out.target, plain.target, atol=1e-3)


def test_the_source_of_prox_masactrl_is_the_ddim_reconstruction(bench, case):
    latents, source, target = case
    plain = bench.run("ddib", source, source, latents, num_inference_steps=T)
    out = bench.run("prox-masactrl", source, target, latents, num_inference_steps=T)
    close(out.source, plain.target, atol=1e-3)


def test_masactrl_without_a_source_prompt_inverts_under_the_empty_one_and_saves_its_null_half(bench, case):
    latents, _, target = case
    before = bench.model.evaluations
    out = bench.run("masactrl", None, target, latents, num_inference_steps=T)
    assert bench.model.evaluations - before == 4 * T
    close(out.source, bench.run("masactrl", None, "", latents, num_inference_steps=T).source, atol=1e-3)


def test_sharing_that_would_never_begin_is_refused(bench, case):
    latents, source, target = case
    with pytest.raises(BadParameter, match="start_step is 4, but there are only 4 steps"):
        bench.run("masactrl", source, target, latents, num_inference_steps=4)


def test_masking_by_words_that_are_not_there_is_refused(bench, case):
    latents, source, target = case
    with pytest.raises(BadPrompt, match="the word 'zebra' is not in the prompt"):
        bench.run("masactrl", source, target, latents, num_inference_steps=T, mask_words="zebra")
    with pytest.raises(BadPrompt, match="mask_words is 'cat', but there is no source prompt"):
        bench.run("masactrl", None, target, latents, num_inference_steps=T, mask_words="cat")


def test_masks_split_the_keys_and_a_mask_of_everything_changes_nothing(bench, case):
    latents, source, target = case
    everything = torch.ones(1, 1, *latents.shape[-2:])
    half = everything.clone()
    half[..., : latents.shape[-1] // 2] = 0
    plain, whole, split = (
        bench.run("masactrl", source, target, latents, mask=mask, num_inference_steps=T).target
        for mask in (None, everything, half)
    )
    assert torch.equal(plain, whole)
    assert not torch.allclose(plain, split, atol=1e-2)


def test_a_named_word_splits_the_keys(bench, case):
    latents, source, target = case
    word = "cat" if "cat" in source else "house"
    plain, split = (
        bench.run("masactrl", source, target, latents, num_inference_steps=T, mask_words=words).target
        for words in ("none", word)
    )
    assert not torch.allclose(plain, split, atol=1e-2)


# Plug-and-Play


def test_plug_and_play_without_injection_is_ddim_editing(bench, case):
    latents, source, target = case
    plain = bench.run("ddim", source, target, latents, num_inference_steps=T)
    out = bench.run(
        "plug-and-play", source, target, latents, num_inference_steps=T, attention_share=0.0, feature_share=0.0
    )
    close(out.target, plain.target, atol=1e-3)


def test_the_source_of_plug_and_play_is_the_picture_bit_for_bit(bench, case):
    latents, source, target = case
    out = bench.run("plug-and-play", source, target, latents, num_inference_steps=T)
    assert torch.equal(out.source, latents)


def test_each_injection_of_plug_and_play_has_an_effect(bench, case):
    latents, source, target = case
    ends = [
        bench.run("plug-and-play", source, target, latents, num_inference_steps=T, attention_share=a, feature_share=f)
        for a, f in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    ]
    assert not torch.allclose(ends[0].target, ends[1].target, atol=1e-2)
    assert not torch.allclose(ends[0].target, ends[2].target, atol=1e-2)


# Guide-and-Rescale


@pytest.mark.parametrize("preset", ["layout", "style"])
@pytest.mark.parametrize(
    "neutral", [{"attention_strength": 0.0, "feature_strength": 0.0}, {"rescale_low": 0.0, "rescale_high": 0.0}]
)
def test_neutral_guiders_are_ddim_editing(bench, case, preset, neutral):
    latents, source, target = case
    plain = bench.run("ddim", source, target, latents, num_inference_steps=T)
    out = bench.run("guide-and-rescale", source, target, latents, num_inference_steps=T, preset=preset, **neutral)
    close(out.target, plain.target, atol=1e-3)


def guiders(bench, case, low, high, **settings):
    """The guidance, run over the whole trajectory."""
    latents, source, target = case
    model, schedule = bench.model, bench.model.schedule(T)
    embeds = dict(zip(("source", "target", "null"), model.condition([source, target, ""]).split(), strict=True))
    trajectory = Trajectory(schedule, ddim_inversion(model, latents, embeds["source"], schedule), embeds)
    values = {"attention_strength": 3e5, "feature_strength": 500.0, "guided_share": 0.6} | settings
    energies = Guiders(rescale_low=low, rescale_high=high, **values)
    guidance = begun(energies, model, trajectory)
    return energies, denoise(model, trajectory, guidance, NoControl(), DDIMSampler())["target"]


def begun(energies, model, trajectory):
    """Classifier-free guidance with the energies on top, at the beginning of a run."""
    energies.base = ClassifierFree(7.5)
    guidance = Stack(energies.base, [energies])
    guidance.begin(Job(model, trajectory.latents[0], "", "", None, None), trajectory)
    return guidance


@pytest.mark.parametrize("preset", ["layout", "style"])
def test_the_rescaled_norm_lies_between_its_bounds_at_every_guided_step(bench, case, preset):
    guidance, _ = guiders(bench, case, 0.33, 3.0, preset=preset)
    first = 1 if preset == "layout" else 0  # where target and inverted latent are the same, the energies are zero
    assert len(guidance.ratios) == 4 - first  # 0.6 of 8 steps, rounded down
    assert all(0.33 <= ratio <= 3.0 for ratio in guidance.ratios)


def test_rescaling_brings_the_gradient_to_the_bounds():
    gradient, pull = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 10.0])
    for low, high, norm in ((0.1, 0.9, 5.0), (0.8, 3.0, 8.0), (0.0, 0.2, 2.0), (0.0, 0.0, 0.0)):
        scaled, ratio = rescaled(gradient, pull, low, high)
        assert float(scaled.norm()) == pytest.approx(norm) and ratio == pytest.approx(norm / 10)
    nothing, ratio = rescaled(torch.zeros(2), pull, 0.3, 3.0)
    assert not nothing.any() and ratio == 0


def test_guiders_draw_the_edit_to_the_picture(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": 12, "guidance_scale": 3.0}
    truth = bench.model.decode(latents)
    plain = bench.run("ddim", source, target, latents, **settings)
    out = bench.run("guide-and-rescale", source, target, latents, **settings)
    assert psnr(bench.model.decode(out.target), truth) > psnr(bench.model.decode(plain.target), truth)


def test_checkpointing_changes_the_memory_and_not_the_picture(bench, case):
    _, plain = guiders(bench, case, 0.33, 3.0)
    _, saving = guiders(bench, case, 0.33, 3.0, gradient_checkpointing=True)
    close(plain, saving, atol=5e-3)
    assert not any(getattr(module, "gradient_checkpointing", False) for module in bench.model.unet.modules())


def test_the_gradient_is_that_of_the_energies_written_out(bench, case):
    """v∇g by plain autograd through whole attention maps, in one step from a disturbed latent."""
    from retouch.parts.attach import attached
    from retouch.parts.edits import AttentionEdit
    from retouch.parts.rows import INVERTED, TARGET_AS_SOURCE, Step

    latents, source, target = case
    model, schedule = bench.model, bench.model.schedule(T)
    embeds = dict(zip(("source", "target", "null"), model.condition([source, target, ""]).split(), strict=True))
    up = ddim_inversion(model, latents, embeds["source"], schedule)
    trajectory, index = Trajectory(schedule, up, embeds), T - 2
    energies = Guiders(attention_strength=3e5, feature_strength=0.0, guided_share=1.0)
    guidance = begun(energies, model, trajectory)
    step = Step(index, 1, T, schedule)
    here = up[index + 1] + 0.1 * torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    step.rows = [INVERTED]
    with attached(model, guidance.edits(model), guidance.block_edits(model)) as now:
        now.step = step
        with torch.no_grad():
            model.predict_noise(up[index + 1], step.timestep, embeds["source"])
        gradient, _ = energies._gradient(here, step)

    class Maps(AttentionEdit):
        def __init__(self):
            self.seen = []

        def wants(self, layer):
            return layer.kind == "self"

        def change_qkv(self, layer, moment, query, key, value):
            self.seen.append((query[0] @ key[0].mT * query.shape[-1] ** -0.5).softmax(-1))
            return query, key, value

    maps = Maps()
    step.rows = [TARGET_AS_SOURCE]
    with attached(model, [maps]) as now:
        now.step = step
        with torch.no_grad():
            model.predict_noise(up[index + 1], step.timestep, embeds["source"])
        fixed, maps.seen = maps.seen, []
        z = here.clone().requires_grad_()
        model.predict_noise(z, step.timestep, embeds["source"])
    energy = sum((one - other).square().mean() for one, other in zip(maps.seen, fixed, strict=True))
    (expected,) = torch.autograd.grad(3e5 * energy, z)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("cells", [1, 64, 2**22])
def test_the_distance_of_maps_and_its_gradient_are_autograds(monkeypatch, cells):
    monkeypatch.setattr("retouch.guidance.map_distance._CELLS", cells)  # strips of one, of two, of all queries
    generator = torch.Generator().manual_seed(0)
    q, k, fixed_q, fixed_k = (torch.randn(3, 10, 4, generator=generator) for _ in range(4))
    q.requires_grad_(), k.requires_grad_()
    one, other = ((a @ b.mT * 0.5).softmax(-1) for a, b in ((q, k), (fixed_q, fixed_k)))
    expected = (one - other).square().mean()
    grads = torch.autograd.grad(7 * expected, (q, k))
    found = map_distance(q, k, fixed_q, fixed_k, 0.5)
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(torch.autograd.grad(7 * found, (q, k)), grads, strict=True):
        torch.testing.assert_close(mine, theirs)


# a mask by hand, and a shared inversion


@pytest.mark.parametrize("name", ["prox-npi", "ddim", "sdedit", "guide-and-rescale", "plug-and-play"])
def test_outside_a_mask_by_hand_the_picture_is_kept_exactly(bench, case, name):
    latents, source, target = case
    mask = torch.zeros(1, 1, *latents.shape[-2:])
    mask[..., 4:12, 4:12] = 1
    out = bench.run(name, source, target, latents, mask=mask, num_inference_steps=6)
    outside = (mask == 0).expand_as(latents)
    assert torch.equal(out.target[outside], latents[outside])
    assert not torch.allclose(out.target[~outside], latents[~outside], atol=0.1)


def test_a_mask_of_everything_changes_nothing(bench, case):
    latents, source, target = case
    mask = torch.ones(1, 1, *latents.shape[-2:])
    plain, masked = (bench.run("ddim", source, target, latents, mask=m, num_inference_steps=6) for m in (None, mask))
    close(plain.target, masked.target, atol=1e-5)


def test_a_shared_inversion_is_made_once_per_prompt_and_number_of_steps(bench, case):
    latents, source, _ = case
    model, kept = bench.model, Inversions()
    embeds = model.condition([source])
    steps = []
    before = model.evaluations
    one = kept.get(model, latents, source, embeds, 3, steps.append)
    assert kept.get(model, latents.clone(), source, embeds, 3, steps.append) is one
    assert (model.evaluations - before, kept.shared, sum(steps)) == (3, 3, 6)
    kept.get(model, latents, source, embeds, 2, steps.append)
    assert model.evaluations - before == 5
    assert kept.get(model, latents + 1, source, embeds, 3, steps.append) is not one
