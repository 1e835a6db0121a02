"""The systems that optimise: their identities, their gradients, their fits reused."""

import dataclasses

import pytest
import torch

from retouch.backbone.condition import Condition
from retouch.backbone.load import load
from retouch.control.feature_sharing import FeatureSharing
from retouch.control.none import NoControl
from retouch.diorama.captions import scene_for
from retouch.diorama.painter import paint
from retouch.editor import Editor
from retouch.errors import BadFit, BadParameter, BadPrompt
from retouch.fit.weights import copied_weights
from retouch.guidance.classifier_free import ClassifierFree, guided
from retouch.methods.e4c import E4C
from retouch.methods.imagic import Imagic
from retouch.methods.layer_diffusion import LayerDiffusion
from retouch.methods.loop import denoise
from retouch.parts.inversions import ddim_inversion
from retouch.parts.job import Job
from retouch.parts.trajectory import Trajectory
from retouch.sampler.ddim import DDIMSampler

pytestmark = pytest.mark.slow

SOURCE, TARGET = "a red cat sitting on a beach", "a red cat jumping in the snow"
QUICK = {"num_inference_steps": 4, "guidance_scale": 3.0}


@pytest.fixture(scope="module")
def latents(bench):
    return bench.latents(SOURCE)


def edit(bench, latents, method, seed=1, mask=None, fit=None, foreground=None):
    generator = torch.Generator().manual_seed(seed)
    return method.edit(
        Job(
            bench.model,
            latents,
            TARGET,
            SOURCE,
            generator,
            lambda n: None,
            mask,
            seed=seed,
            fit=fit,
            foreground=foreground,
        )
    )


def test_imagic_without_a_fit_at_eta_one_is_text_to_image(bench, latents):
    plain = Imagic(embedding_steps=0, network_steps=0, eta=1.0, **QUICK)
    drawn = bench.run("sdedit", SOURCE, TARGET, latents, seed=1, strength=1.0, **QUICK).target
    torch.testing.assert_close(edit(bench, latents, plain).target, drawn, atol=1e-4, rtol=1e-4)


def test_imagic_at_eta_zero_samples_under_the_fitted_embedding_alone(bench, latents):
    method = Imagic(embedding_steps=3, network_steps=0, eta=0.0, **QUICK)
    fit = method.fit(Job(bench.model, latents, TARGET, None, torch.Generator(), lambda n: None))
    assert not torch.equal(fit.embeds["optimised"], fit.embeds["target"]) and not fit.network
    assert all(torch.equal(c.embeds, fit.embeds["optimised"]) for c in method.conditions(fit))
    whole = dataclasses.replace(method, eta=1.0)
    assert all(torch.equal(c.embeds, bench.model.condition([TARGET]).embeds) for c in whole.conditions(fit))


def test_both_stages_of_imagic_bring_the_loss_down(bench, latents):
    from retouch.fit.objective import Noising, denoising_loss
    from retouch.fit.weights import fitted_weights

    method = Imagic(
        embedding_steps=15, embedding_learning_rate=0.01, network_steps=15, network_learning_rate=1e-4, batch_size=2
    )
    fit = method.fit(Job(bench.model, latents, TARGET, None, torch.Generator(), lambda n: None))
    unseen = Noising.draw(bench.model, latents, 16, 99, 9, 0)
    with torch.no_grad():
        before = denoising_loss(bench.model, latents, Condition(fit.embeds["target"]), unseen)
        after_a = denoising_loss(bench.model, latents, Condition(fit.embeds["optimised"]), unseen)
        with fitted_weights(bench.model.unet, fit.network, 0):
            after_b = denoising_loss(bench.model, latents, Condition(fit.embeds["optimised"]), unseen)
    assert after_b < after_a < before


def test_a_mask_holds_what_imagic_samples_outside_it(bench, latents):
    mask = torch.zeros(1, 1, *latents.shape[-2:])
    mask[..., :6] = 1
    out = edit(bench, latents, Imagic(embedding_steps=0, network_steps=0, eta=1.0, **QUICK), mask=mask).target
    assert torch.equal(out[..., 6:], latents[..., 6:]) and not torch.allclose(out[..., :6], latents[..., :6], atol=0.1)


LAYERS = {
    "embedding_steps": 2, "network_steps": 2, "reference_steps": 2, "segmenter": "none",
    "network_learning_rate": 1e-4, **QUICK,
}  # fmt: skip


def test_every_module_of_layer_diffusion_can_be_left_out(bench, latents):
    whole = LayerDiffusion(**LAYERS)
    targets = {name: edit(bench, latents, method).target for name, method in {
        "whole": whole,
        "no optimisation": dataclasses.replace(whole, layered_optimisation=False),
        "no training": dataclasses.replace(whole, network_training=False),
        "no guidance": dataclasses.replace(whole, iterative_guidance=False),
    }.items()}  # fmt: skip
    values = list(targets.values())
    assert all(not torch.allclose(a, b, atol=1e-4) for i, a in enumerate(values) for b in values[:i])
    bare = dataclasses.replace(whole, layered_optimisation=False, network_training=False)
    assert bare.fit_evaluations() == 0
    fit = bare.fit(Job(bench.model, latents, TARGET, None, torch.Generator(), lambda n: None))
    assert not fit.network and torch.equal(fit.embeds["object"], bench.model.condition(["a red cat jumping"]).embeds)
    mixed = 0.7 * fit.embeds["object"] + 0.3 * fit.embeds["background"]
    torch.testing.assert_close(fit.embeds["optimised"], mixed)


def test_the_reference_is_text_to_image_of_the_target_text_with_its_object_cut_out(bench, latents, monkeypatch):
    """Section 3.2.1; its background alone, outside M_r, counts in the fit."""
    from retouch.masks.objects import object_mask
    from retouch.methods import layer_diffusion

    fitted = []
    monkeypatch.setattr(
        layer_diffusion, "denoising_loss", lambda _model, z, text, _noising, where: (
            fitted.append((z, where)), text.embeds.sum() * 0
        )[1],
    )  # fmt: skip
    settings = {**LAYERS, "network_training": False, "embedding_steps": 1}
    drawn = {
        text: bench.run("sdedit", None, text, latents, seed=1, strength=1.0, **QUICK).target
        for text in (TARGET, "the snow")
    }
    own = {"reference_steps": QUICK["num_inference_steps"], "reference_guidance_scale": QUICK["guidance_scale"]}
    for chosen, text in (({}, TARGET), ({"reference_from": "background"}, "the snow")):
        fitted.clear()
        edit(bench, latents, LayerDiffusion(**{**settings, **own, **chosen}), seed=1)
        (picture, inside), (reference, outside) = fitted
        torch.testing.assert_close(reference, drawn[text], atol=1e-4, rtol=1e-4)
        assert torch.equal(picture, latents) and 0 < inside.mean() < 1
        cut_out = object_mask(bench.model, reference, "a red cat jumping", seed=1)
        assert torch.equal(outside, 1 - cut_out) and 0 < outside.mean() < 1


def test_iterative_guidance_alternates_from_the_mix_to_the_object_text(bench, latents):
    method = LayerDiffusion(**{**LAYERS, "embedding_steps": 0, "network_steps": 0})
    fit = method.fit(Job(bench.model, latents, TARGET, None, torch.Generator(), lambda n: None))
    turns = [torch.equal(c.embeds, fit.embeds["optimised"]) for c in reversed(method.conditions(fit))]
    assert turns == [True, False, True, False]


def test_an_alpha_of_one_forgets_the_background_text(bench, latents):
    one = LayerDiffusion(**{**LAYERS, "network_training": False, "alpha": 1.0})
    fit = one.fit(Job(bench.model, latents, TARGET, None, torch.Generator(), lambda n: None))
    assert torch.equal(fit.embeds["optimised"], fit.embeds["object"])


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("a red cat jumping in the snow", ("a red cat jumping", "the snow")),
        ("a photo of a dog, on a beach at night", ("a photo of a dog", "a photo of a beach at night")),
        (
            "An oil painting of a cat sitting in a meadow, wearing a hat.",
            ("An oil painting of a cat sitting, wearing a hat", "An oil painting of a meadow"),
        ),
        ("a cat in the snow, ", ("a cat", "the snow")),
        ("A house Under a tree.", ("A house", "a tree")),
    ],
)
def test_a_target_is_split_before_its_first_preposition_of_place(target, parts):
    assert LayerDiffusion().texts(target) == parts


def test_given_texts_take_the_place_of_the_split():
    method = LayerDiffusion(object_text="a dog", background_text="the moon")
    assert method.texts("anything at all") == ("a dog", "the moon")
    with pytest.raises(BadPrompt, match="background_text='a beach'"):
        LayerDiffusion(object_text="a dog").texts("a dog")
    with pytest.raises(BadPrompt, match="must differ"):
        LayerDiffusion(object_text="a dog", background_text="a  dog").texts("a dog")


def test_masks_that_leave_no_layer_are_refused(bench, latents):
    for value, says in ((0.0, "marks nothing"), (1.0, "covers everything")):
        with pytest.raises(BadParameter, match=says):
            edit(bench, latents, LayerDiffusion(**LAYERS), foreground=torch.full((1, 1, *latents.shape[-2:]), value))


# E4C


def branches(bench, latents, T=4):
    model, schedule = bench.model, bench.model.schedule(T)
    source, target, null = model.condition([SOURCE, TARGET, ""]).split()
    path = ddim_inversion(model, latents, source, schedule)
    texts = {"source": source, "target": target, "null": null, "source_null": null}
    return Trajectory(schedule, path, texts, path)


def ended(model, trajectory, control=None, gateways=()):
    """The target's end under classifier-free guidance at w = 3."""
    parts = ClassifierFree(3.0), control or NoControl(), DDIMSampler()
    return denoise(model, trajectory, *parts, gateways=gateways)["target"]


def sharing(mode):
    """E4C's control in one of its modes, with the texts left aside."""
    control = FeatureSharing(mode)
    control.prepare(None)
    return control


def weights_of(name):
    return name.endswith("attn1.to_q.weight")


def gradient(bench, trajectory, gateways, control=None):
    with copied_weights(bench.model.unet, weights_of) as variables:
        out = ended(bench.model, trajectory, control, gateways)
        out.square().sum().backward()
        return {name: value.grad.clone() for name, value in variables.items()}


def direct_gradient(bench, trajectory, first):
    """Plain back-propagation through the steps from number ``first`` on, the network's noise included."""
    model, schedule, T = bench.model, trajectory.schedule, trajectory.steps
    null, text = trajectory.conditions["null"].at(0), trajectory.conditions["target"].at(0)
    with copied_weights(model.unet, weights_of) as variables:
        z = trajectory.start
        for number in range(T):
            index = T - 1 - number
            with torch.set_grad_enabled(number >= first):
                both = model.predict_noise(z.repeat(2, 1, 1, 1), schedule.timesteps[index], Condition.cat([null, text]))
                z = schedule.step_down(z, guided(both[:1], both[1:], 3.0), index)
        z.square().sum().backward()
        return {name: value.grad.clone() for name, value in variables.items()}


def assert_same(one, other):
    assert one.keys() == other.keys() and len(one) > 3
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-3, atol=1e-3 * float(other[name].abs().max()))


def test_with_every_step_a_gateway_the_gradient_is_that_of_full_back_propagation(bench, latents):
    trajectory = branches(bench, latents)
    assert_same(gradient(bench, trajectory, range(4)), direct_gradient(bench, trajectory, 0))


def test_with_the_last_step_a_gateway_the_gradient_is_that_of_one_step(bench, latents):
    trajectory = branches(bench, latents)
    assert_same(gradient(bench, trajectory, [3]), direct_gradient(bench, trajectory, 3))


def test_between_gateways_the_gradient_passes_by_a_factor(bench, latents):
    """∂z_{t-1}/∂z_t = √ᾱ_{t-1}/√ᾱ_t where the noise counts as a constant."""
    trajectory = branches(bench, latents)
    found, model, schedule = gradient(bench, trajectory, [1]), bench.model, trajectory.schedule
    with torch.no_grad():
        end = ended(model, trajectory)
        z = trajectory.start
        null, text = trajectory.conditions["null"].at(0), trajectory.conditions["target"].at(0)
        both = model.predict_noise(z.repeat(2, 1, 1, 1), schedule.timesteps[3], Condition.cat([null, text]))
        z = schedule.step_down(z, guided(both[:1], both[1:], 3.0), 3)
    with copied_weights(model.unet, weights_of) as variables:
        both = model.predict_noise(z.repeat(2, 1, 1, 1), schedule.timesteps[2], Condition.cat([null, text]))
        stepped = schedule.step_down(z, guided(both[:1], both[1:], 3.0), 2)
        factor = (schedule.alpha(-1) / schedule.alpha(1)) ** 0.5
        (stepped * (2 * end * factor)).sum().backward()
        expected = {name: value.grad.clone() for name, value in variables.items()}
    assert_same(found, expected)


@pytest.mark.parametrize("mode", ["structure", "non-rigid"])
def test_gateways_change_no_picture(bench, latents, mode):
    trajectory = branches(bench, latents)
    runs = [
        ended(bench.model, trajectory, sharing(mode), gateways).detach()
        for gateways in ((), (0, 2))
    ]  # fmt: skip
    torch.testing.assert_close(*runs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mode", ["structure", "non-rigid"])
def test_e4c_without_iterations_is_the_dual_branch(bench, latents, mode):
    out = edit(bench, latents, E4C(mode=mode, iterations=0, num_inference_steps=4, guidance_scale=3.0))
    plain = ended(bench.model, branches(bench, latents), sharing(mode))
    assert torch.equal(out.target, plain) and torch.equal(out.source, latents)


def test_auto_takes_the_mode_whose_picture_clip_prefers(bench, latents):
    outs = {
        mode: edit(bench, latents, E4C(mode=mode, iterations=0, **QUICK)).target
        for mode in ("auto", "structure", "non-rigid")
    }
    clip = load_clip()
    said = clip.read(TARGET, SOURCE)
    picture = clip.look(bench.model.decode(latents) / 2 + 0.5)

    def loss(z):
        from retouch.guidance.clip_loss import ClipLoss

        measure = ClipLoss(clip, said[:1], said[1:], picture)
        return float(measure(bench.model.decode(z), torch.Generator().manual_seed(7919)))

    better = min(("structure", "non-rigid"), key=lambda mode: loss(outs[mode]))
    assert torch.equal(outs["auto"], outs[better])


def load_clip():
    from retouch.backbone.clip import Clip

    return Clip("diorama")


def test_clip_guidance_brings_the_clip_loss_down(bench):
    editor = Editor(bench.model)
    picture, _ = paint(scene_for(SOURCE, 3))
    arguments = {"source": SOURCE, "target": "a red cat jumping on a beach", "method": "e4c", "mode": "non-rigid"}
    settings = {"num_inference_steps": 8, "guidance_scale": 2.0, "learning_rate": 2e-3, "gateways": 2}
    from retouch.explore.clip_score import ClipScorer

    scorer = ClipScorer()
    plain, guided_ = (editor.edit(picture, iterations=n, **arguments, **settings).image for n in (0, 6))
    assert scorer.score(guided_, arguments["target"]) > scorer.score(plain, arguments["target"]) + 1


def test_the_weights_that_follow_clip_are_those_the_source_does_not_serve(bench, latents):
    job = Job(bench.model, latents, TARGET, SOURCE, torch.Generator(), lambda n: None)
    names = [name for name, _ in bench.model.unet.named_parameters()]
    for mode, parts in (("non-rigid", ("to_q",)), ("structure", ("to_k", "to_v"))):
        chosen = [name for name in names if E4C(mode=mode).guided_weights(job)(name)]
        assert chosen and all("up_blocks" in name and "attn1" in name for name in chosen)
        assert {name.split(".")[-2] for name in chosen} == set(parts)


def test_gateways_are_drawn_anew_in_every_iteration_and_the_same_for_a_seed():
    method = E4C(gateways=3, num_inference_steps=20)
    draws = [tuple(method.drawn(4, i)) for i in range(8)]
    assert draws == [tuple(method.drawn(4, i)) for i in range(8)] and len(set(draws)) > 4
    assert all(len(set(draw)) == 3 and 0 <= min(draw) <= max(draw) < 20 for draw in draws)
    assert list(E4C(gateways=99, num_inference_steps=5).drawn(0, 0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "rank"), [("imagic", 0), ("imagic", 2), ("layer-diffusion", 0), ("layer-diffusion", 2), ("e4c", 0)]
)
def test_a_network_in_half_precision_is_fitted_in_mixed_precision(tmp_path, name, rank):
    from retouch.methods.registry import method_named
    from tests.small import short
    from tests.tiny import tiny_backbone

    model = tiny_backbone(tmp_path)
    model.unet.to(torch.bfloat16)
    before = {key: value.clone() for key, value in model.unet.state_dict().items()}
    settings = {**short(name, 4), **({"adapter_rank": rank} if rank else {})}
    z = model.encode(torch.zeros(1, 3, 16, 16))
    job = Job(model, z, "a blue cat", "a red cat", torch.Generator().manual_seed(0), lambda n: None)
    out = method_named(name, settings).edit(job).target
    assert torch.isfinite(out).all() and out.dtype == torch.float32
    assert all(torch.equal(value, before[key]) for key, value in model.unet.state_dict().items())


# fits reused by the editor


@pytest.fixture(scope="module")
def painted():
    return paint(scene_for(SOURCE, 3))[0]


@pytest.fixture(scope="module")
def editor():
    return Editor(load("diorama"))


@pytest.fixture(scope="module", params=[0, 2], ids=["all weights", "adapters"])
def fit(request, editor, painted):
    return editor.fit(
        painted, target=TARGET, method="imagic", seed=2, embedding_steps=2, network_steps=2, batch_size=1,
        adapter_rank=request.param, network_learning_rate=1e-3,
    )  # fmt: skip


def close(one, other):
    import numpy as np

    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1  # batches round differently


def test_a_fit_gives_the_edit_and_any_number_of_variations(editor, painted, fit):
    rows = editor.variations(painted, fit, seeds=[2, 3], etas=[0.5, 1.0], keep="off", **QUICK)
    assert [(r.recipe["parameters"]["eta"], r.recipe["seed"]) for r in rows] == [(0.5, 2), (0.5, 3), (1.0, 2), (1.0, 3)]
    one = editor.edit(painted, fit=fit, seed=3, eta=1.0, keep="off", **QUICK)
    assert close(one.image, rows[3].image) and one.recipe["fit"]["steps"] == {"embedding": 2, "network": 2}
    assert one.evaluations == 2 * 4
    whole = editor.edit(
        painted, target=TARGET, method="imagic", seed=2, eta=0.5, embedding_steps=2, network_steps=2, batch_size=1,
        adapter_rank=fit.rank, network_learning_rate=1e-3, keep="off", **QUICK,
    )  # fmt: skip
    assert close(whole.image, rows[0].image)


def test_a_fit_for_something_else_is_refused(editor, painted, fit):
    other, _ = paint(scene_for(SOURCE, 4))
    changed = dataclasses.replace(fit, recipe={**fit.recipe, "model": "0123456789abcdef"})
    for arguments, error, says in (
        ({"image": other, "fit": fit}, BadFit, "another picture"),
        ({"image": painted, "fit": fit, "size": 64}, BadFit, "at the model's own size, and size is 64: leave the size"),
        ({"image": painted, "fit": changed}, BadFit, "0123456789abcdef"),
        ({"image": painted, "fit": fit, "target": "a dog"}, BadFit, "leave the target out"),
        ({"image": painted, "fit": fit, "method": "sdedit"}, BadFit, "the method is sdedit"),
        ({"image": painted, "fit": fit, "network_steps": 5}, BadParameter, "was fixed when the fit was made"),
    ):
        with pytest.raises(error, match=says):
            editor.edit(**arguments)
    with pytest.raises(BadParameter, match="makes no fit"):
        editor.fit(painted, target=TARGET, method="sdedit")
    with pytest.raises(BadParameter, match="at least one seed"):
        editor.variations(painted, fit, seeds=[])
