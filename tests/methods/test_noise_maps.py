"""Inversions that find a stochastic sampler's noise, and guidances that take other rows or other noise."""

import pytest
import torch

from retouch.errors import BadParameter
from retouch.methods.registry import method_named
from retouch.parts.attach import attached
from retouch.parts.job import Job
from retouch.parts.rows import TARGET, Step
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.slow

T = 8
FOUND = ("edit-friendly", "cycle-diffusion")
EQUAL = {"guidance_scale": 3.0, "source_guidance_scale": 3.0}


def close(a, b, atol=2e-4):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("settings", [EQUAL, {"guidance_scale": 1.0, "source_guidance_scale": 1.0}])
def test_under_the_source_prompt_the_noise_maps_return_the_picture(bench, case, name, settings):
    latents, source, _ = case
    out = bench.run(name, source, source, latents, num_inference_steps=T, **settings)
    close(out.target, latents, atol=1e-3)
    assert method_named(name, settings).reconstructs() and not method_named(name).reconstructs()


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sample"])
def test_they_do_on_networks_that_predict_other_things(tmp_path, name, kind):
    model = tiny_backbone(tmp_path, kind)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    method = method_named(name, {"num_inference_steps": T, **EQUAL})
    job = Job(model, latents, "a red cat", "a red cat", torch.Generator().manual_seed(3), lambda n: None)
    close(method.edit(job).target, latents, atol=1e-3)


@pytest.mark.parametrize("name", FOUND)
def test_the_source_branch_of_a_control_is_the_picture_itself(bench, case, name):
    latents, source, target = case
    parts = {"control": "prompt-to-prompt"}
    out = bench.run(name, source, target, latents, num_inference_steps=T, parts=parts, **EQUAL)
    assert torch.equal(out.source, latents)
    same = bench.run(name, source, source, latents, num_inference_steps=T, parts=parts, **EQUAL)
    close(same.target, latents, atol=1e-3)


def reference_edit_friendly(model, latents, source, target, seed, *, steps, skip, w_source, w_target):
    """The authors' published procedure written out, one latent after the other."""
    schedule, random = model.schedule(steps), torch.Generator().manual_seed(seed)
    alphas = [schedule.alpha(i) for i in range(-1, steps)]
    said, asked, null = model.condition([source, target, ""]).split()

    def noise_at(z, index, text, w):
        t = schedule.timesteps[index]
        empty = model.predict_noise(z, t, null)
        return empty + w * (model.predict_noise(z, t, text) - empty)

    def mean_of(z, index, noise):
        a, below = alphas[index + 1], alphas[index]
        variance = (1 - below) / (1 - a) * (1 - a / below)
        original = (z - (1 - a) ** 0.5 * noise) / a**0.5
        return below**0.5 * original + (1 - below - variance) ** 0.5 * noise, variance**0.5

    xs = [latents]
    for i in range(steps):
        a = alphas[i + 1]
        xs.append(latents * a**0.5 + torch.randn(latents.shape, generator=random) * (1 - a) ** 0.5)
    maps = []
    for i in range(steps):
        mean, spread = mean_of(xs[i + 1], i, noise_at(xs[i + 1], i, said, w_source))
        maps.append((xs[i] - mean) / spread)
    maps[0] = torch.zeros_like(maps[0])
    z = xs[steps - skip]
    for i in reversed(range(steps - skip)):
        mean, spread = mean_of(z, i, noise_at(z, i, asked, w_target))
        z = mean + spread * maps[i]
    return z


@torch.no_grad()
def test_edit_friendly_with_the_last_map_dropped_is_the_published_procedure(bench, case):
    latents, source, target = case
    settings = {"num_inference_steps": 10, "skip": 0.3, "source_guidance_scale": 3.5, "guidance_scale": 9.0}
    out = bench.run("edit-friendly", source, target, latents, seed=4, last_noise="dropped", **settings)
    expected = reference_edit_friendly(
        bench.model, latents, source, target, 4, steps=10, skip=3, w_source=3.5, w_target=9.0
    )
    close(out.target, expected, atol=1e-4)


@torch.no_grad()
def test_cycle_diffusion_is_the_published_procedure(bench, case):
    """As diffusers' former pipeline: both chains side by side, the noise found on the way down."""
    latents, source, target = case
    steps, eta, w, random = 10, 0.4, 4.0, torch.Generator().manual_seed(4)
    model, schedule = bench.model, bench.model.schedule(steps)
    said, asked, null = model.condition([source, target, ""]).split()
    level = schedule.level(7)
    there = z = level.alpha * latents + level.sigma * torch.randn(latents.shape, generator=random)
    for i in reversed(range(8)):
        t, a, below = schedule.timesteps[i], schedule.alpha(i), schedule.alpha(i - 1)
        spread = eta * ((1 - below) / (1 - a) * (1 - a / below)) ** 0.5
        direction = (1 - below - spread**2) ** 0.5

        def mean(x, noise, a=a, below=below, direction=direction):
            return below**0.5 * (x - (1 - a) ** 0.5 * noise) / a**0.5 + direction * noise

        lower = latents
        if i:
            known = (there - a**0.5 * latents) / (1 - a) ** 0.5
            lower = below**0.5 * latents + direction * known
            lower = lower + spread * torch.randn(latents.shape, generator=random)
        noise = (lower - mean(there, model.predict_noise(there, t, said))) / spread
        empty, text = model.predict_noise(z, t, null), model.predict_noise(z, t, asked)
        z, there = mean(z, empty + w * (text - empty)) + spread * noise, lower
    out = bench.run(
        "cycle-diffusion", source, target, latents, seed=4, num_inference_steps=steps, stochasticity=eta,
        guidance_scale=w, strength=0.8,
    )  # fmt: skip
    close(out.target, z, atol=2e-4)


@pytest.mark.parametrize("name", FOUND)
def test_noise_maps_without_noise_are_refused(name):
    with pytest.raises(BadParameter, match="stochasticity is 0, where no noise is added"):
        method_named(name, {"stochasticity": 0.0})
    with pytest.raises(BadParameter, match="finds what the sampler 'ddpm' needs, and the sampler is 'ddim'"):
        method_named(name, {}, sampler="ddim")


def test_other_seeds_find_other_maps_and_the_same_seed_the_same(bench, case):
    latents, source, target = case
    one, same, other = (
        bench.run("edit-friendly", source, target, latents, seed=seed, num_inference_steps=T).target
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.allclose(one, other, atol=0.05)


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 3.0])
def test_cfg_plus_plus_that_renoises_nothing_is_plain_guidance(bench, case, w):
    latents, source, target = case
    plain = bench.run("ddim", source, target, latents, num_inference_steps=T, guidance_scale=w)
    parts = {"guidance": "cfg-plus-plus"}
    out = bench.run("ddim", source, target, latents, num_inference_steps=T, parts=parts, guidance_scale=w, renoise=0.0)
    close(out.target, plain.target, atol=1e-3)


def test_cfg_plus_plus_at_zero_is_plain_guidance_at_zero_and_otherwise_is_not(bench, case):
    latents, source, target = case
    parts = {"guidance": "cfg-plus-plus"}
    for w, same in ((0.0, True), (0.6, False)):
        plain = bench.run("ddim", source, target, latents, num_inference_steps=T, guidance_scale=w)
        out = bench.run("ddim", source, target, latents, num_inference_steps=T, parts=parts, guidance_scale=w)
        assert torch.allclose(out.target, plain.target, atol=1e-3) == same


@torch.no_grad()
def test_cfg_plus_plus_written_out(bench, case):
    latents, source, target = case
    model, schedule = bench.model, bench.model.schedule(T)
    trajectory = method_named("ddim", {"num_inference_steps": T}).inverted(
        Job(model, latents, target, source, torch.Generator(), lambda n: None)
    )
    asked, null = model.condition([target, ""]).split()
    z = trajectory.start
    for i in reversed(range(T)):
        t, level, below = schedule.timesteps[i], schedule.level(i), schedule.level(i - 1)
        empty, text = model.predict_noise(z, t, null), model.predict_noise(z, t, asked)
        original = (z - level.sigma * (empty + 0.6 * (text - empty))) / level.alpha
        z = below.alpha * original + below.sigma * empty
    out = bench.run("ddim", source, target, latents, num_inference_steps=T, parts={"guidance": "cfg++"})
    close(out.target, z, atol=1e-4)


def test_null_texts_are_not_fitted_for_another_kind_of_step():
    with pytest.raises(BadParameter, match="'cfg-plus-plus' takes other steps: choose classifier-free or proximal"):
        method_named("null-text", {}, guidance="cfg-plus-plus")


@pytest.mark.parametrize(("name", "base"), [("ddim", "classifier-free"), ("prox-npi", "proximal"), ("ddib", "none")])
def test_perturbed_attention_at_scale_zero_is_the_guidance_below(bench, case, name, base):
    latents, source, target = case
    plain = bench.run(name, source, target, latents, num_inference_steps=T)
    parts = {"guidance": f"{base}+perturbed-attention"}
    out, on = (
        bench.run(name, source, target, latents, num_inference_steps=T, parts=parts, pag_scale=s, pag_layers="all")
        for s in (0.0, 2.0)
    )
    assert torch.equal(out.target, plain.target)
    assert not torch.allclose(on.target, plain.target, atol=0.02)


@torch.no_grad()
@pytest.mark.parametrize("layers", ["mid", "up", "all"])
def test_the_perturbed_row_sees_the_values_alone_and_the_others_are_as_ever(tmp_path, layers):
    """Against diffusers' own processor for it."""
    from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0

    model = tiny_backbone(tmp_path, "sd1")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    text = model.condition(["a red cat"])
    method = method_named("ddim", {"pag_layers": layers}, guidance="classifier-free+pag")
    schedule = model.schedule(5)
    with attached(model, method.guidance_part.edits(model)) as now:
        now.step = Step(2, 2, 5, schedule, rows=[TARGET, TARGET._replace(variant="perturbed")])
        own, perturbed = model.predict(latents.expand(2, -1, -1, -1), schedule.timesteps[2], text.expand(2)).split(1)
    close(own, model.predict(latents, schedule.timesteps[2], text), atol=1e-5)

    processors = dict(model.network.attn_processors)
    chosen = {f"{x.name}.processor" for x in model.attention_layers(kind="self") if layers in ("all", x.place)}
    pag = {name: PAGIdentitySelfAttnProcessor2_0() if name in chosen else old for name, old in processors.items()}
    model.network.set_attn_processor(pag)  # it perturbs the second half of a batch
    both = model.predict(latents.expand(2, -1, -1, -1), schedule.timesteps[2], text.expand(2))
    close(perturbed, both[1:], atol=1e-5)
