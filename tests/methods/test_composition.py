"""Inversion × control × guidance: what goes together, what is refused, and that systems are such choices."""

import itertools

import pytest
import torch

from retouch.errors import BadParameter
from retouch.methods.catalogue import parts
from retouch.methods.composition import Composed
from retouch.methods.registry import method_named, method_type, methods
from retouch.parameters import parameters_of
from retouch.parts.job import Job
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.slow

ALL_GUIDANCES = [*parts()["guidance"], "proximal+guiders", "none+guiders"]
# every pair of parts, and every guidance with a control that shares and one that does not
COMBINATIONS = list(
    dict.fromkeys(
        [
            *itertools.product(parts()["inversion"], parts()["control"], ["classifier-free"]),
            *itertools.product(parts()["inversion"], ["none", "prompt-to-prompt"], ALL_GUIDANCES),
            *itertools.product(["ddim", "latent-align"], parts()["control"], ALL_GUIDANCES),
        ]
    )
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_backbone(tmp_path_factory.mktemp("m"), "sd2")  # every method runs on the other kinds in test_model


def edit(model, method, source="a red cat", target="a blue dog"):
    latents = model.encode(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    job = Job(model, latents, target, source, torch.Generator().manual_seed(3), lambda n: None)
    return method.edit(job)


def sensible(inversion, control, guidance):
    if inversion == "noise":
        plain = ("none", "classifier-free", "cfg-plus-plus", "perturbed-attention", "semantic")
        return control in ("none", "diffedit") and guidance in plain
    return not (inversion == "null-text" and guidance.startswith(("none", "cfg-plus-plus")))


def test_every_sensible_combination_edits_and_the_others_are_refused_with_a_reason(model):
    ran = 0
    for inversion, control, guidance in COMBINATIONS:
        chosen = {"inversion": inversion, "control": control, "guidance": guidance}
        if not sensible(**chosen):
            with pytest.raises(
                BadParameter,
                match=r"and the (inversion|guidance) '[a-z-]+' (keeps none|uses none|takes other steps): choose",
            ):
                method_named("ddim", {}, **chosen)
            continue
        known = {p.name for p in parameters_of(method_type("ddim", **chosen))}
        small = {
            "num_inference_steps": 1, "start_step": 0, "inner_steps": 1, "early_stop": 0.0, "encoding_ratio": 1.0,
            "mask_noises": 1,
        }  # fmt: skip
        method = method_named("ddim", {k: v for k, v in small.items() if k in known}, **chosen)
        before = model.evaluations
        out = edit(model, method)
        assert torch.isfinite(out.target).all(), chosen
        assert model.evaluations - before == method.evaluations(), chosen
        path_known = method.choice.inversion.knows_path  # where the source branch would end
        assert (out.source is not None) == (path_known or control not in ("none", "diffedit"))
        ran += 1
    assert ran == len([c for c in COMBINATIONS if sensible(*c)]) > 100


@pytest.mark.parametrize(
    "name", [name for name, kind in methods().items() if issubclass(kind, Composed) and not kind.optimises]
)
def test_a_system_is_the_composition_it_says(model, name):
    kind = methods()[name]
    small = {"num_inference_steps": 5, "inner_steps": 1}
    own = kind(**{key: value for key, value in small.items() if key in {p.name for p in parameters_of(kind)}})
    settings = {p.name: getattr(own, p.name) for p in parameters_of(kind)}
    other = "ddib" if name != "ddib" else "ddim"
    mixed = method_named(other, settings, **kind.parts)
    assert mixed.parts == own.parts and mixed.evaluations() == own.evaluations()
    assert torch.equal(edit(model, own).target, edit(model, mixed).target)


def test_naming_the_parts_a_method_has_changes_nothing():
    for name, kind in ((name, kind) for name, kind in methods().items() if issubclass(kind, Composed)):
        if kind.optimises:
            with pytest.raises(BadParameter, match="go with its own inversion"):
                method_type(name, **kind.parts)
            continue
        assert method_type(name, **kind.parts) is kind


def test_other_names_for_the_parts_are_understood():
    kind = method_type("ddim", inversion="NTI", control="MasaCtrl", guidance="guide-and-rescale")
    assert kind.parts == {
        "inversion": "null-text",
        "control": "mutual-self-attention",
        "guidance": "classifier-free+guiders",
        "sampler": "ddim",
    }


def test_a_methods_own_defaults_stay_with_the_parts_they_belong_to():
    plain = method_type("prox-masactrl")()
    assert (plain.quantile, plain.inversion_guidance) == (0.6, 0.0)
    kept = method_type("prox-masactrl", control="prompt-to-prompt")()
    assert (kept.quantile, kept.inversion_guidance) == (0.6, 0.0)
    gone = method_type("prox-masactrl", guidance="classifier-free")()
    assert not hasattr(gone, "quantile")
    fresh = method_type("masactrl", guidance="proximal")()
    assert (fresh.quantile, fresh.inversion_guidance) == (0.4, 1.0)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (
            {"inversion": "null-txt"},
            r"no inversion 'null-txt' \(did you mean null-text\?\); there are: ddim, null-text",
        ),
        ({"control": "magic"}, "no control 'magic'; there are: none, prompt-to-prompt"),
        ({"guidance": "proximal+wizardry"}, "no guidance 'wizardry'; there are: classifier-free"),
        ({"guidance": "proximal+none"}, "no guidance after the \\+ 'none'; there are: guiders"),
        ({"guidance": "cfg+"}, "a \\+ too many: write for instance classifier-free"),
        ({"guidance": "+pag"}, "a \\+ too many: write for instance classifier-free"),
        ({"guidance": "pag+perturbed-attention"}, "names perturbed-attention twice"),
        ({"sampler": "euler"}, "no sampler 'euler'; there are: ddim, ddpm"),
    ],
)
def test_unknown_parts_are_named_with_those_there_are(chosen, says):
    with pytest.raises(BadParameter, match=says):
        method_type("ddim", **chosen)


def test_null_text_at_guidance_one_has_nothing_to_fit():
    with pytest.raises(BadParameter, match="guidance_scale is 1, where the null text has no effect"):
        method_named("null-text", {"guidance_scale": 1.0})


def test_crossed_bounds_of_rescaling_are_refused():
    with pytest.raises(BadParameter, match="rescale_low is 2 and rescale_high 1: the first must not"):
        method_named("guide-and-rescale", {"rescale_low": 2.0, "rescale_high": 1.0})


def test_every_part_says_what_it_does():
    for choices in parts().values():
        for name, part in choices.items():
            assert part.name == name and len(part.summary) > 20
            assert all(p.help for p in parameters_of(part))


PUBLISHED = {
    "null-text": {"num_inference_steps": 50, "inner_steps": 10, "learning_rate": 1e-2, "early_stop": 1e-5},
    "prompt-tuning": {"inner_steps": 10, "learning_rate": 1e-2, "early_stop": 1e-5},
    "masactrl": {"start_step": 4, "decoder_levels": 2, "guidance_scale": 7.5, "mask_threshold": 0.1},
    "prox-masactrl": {"quantile": 0.6, "prox": "soft", "start_step": 4, "guidance_scale": 7.5},
    "plug-and-play": {"attention_share": 0.5, "feature_share": 0.8, "guidance_scale": 7.5},
    "prox-npi": {
        "quantile": 0.4, "prox": "soft", "inversion_guidance": 1.0, "inversion_guidance_below": 400,
        "reconstruction_guidance": 0.0, "reconstruction_guidance_below": 400, "dilation": 1,
        "cross_replace_steps": 0.8, "self_replace_steps": 0.6,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_defaults_are_the_published_ones(name):
    method = methods()[name]()
    assert {key: getattr(method, key) for key in PUBLISHED[name]} == PUBLISHED[name]


def test_the_presets_of_guide_and_rescale_are_the_published_ones():
    from retouch.guidance.guiders import Guiders

    names = ("attention_strength", "feature_strength", "guided_share", "low", "high")
    layout, style = (tuple(Guiders(preset=preset).chosen()[name] for name in names) for preset in ("layout", "style"))
    assert layout == (3e5, 500, 0.6, 0.33, 3.0) and style == (1e5, 2.5, 0.5, 1.5, 1.5)
    assert Guiders(preset="style", rescale_low=0.5).chosen()["low"] == 0.5


COST = {
    "ddim": 50 + 100, "ddib": 50 + 50, "negative-prompt": 50 + 150, "prompt-to-prompt": 50 + 200,
    "prox-npi": 50 + 3 * 50, "prox-masactrl": 50 + 3 * 50, "masactrl": 50 + 4 * 50, "plug-and-play": 50 + 3 * 50,
    "guide-and-rescale": 50 + 3 * 30 + 2 * 20 + 30, "null-text": 50 + 50 + 11 * 50 + 3 * 50,
    "prompt-tuning": 50 + 11 * 50 + 2 * 50, "sdedit": 2 * 38,
}  # fmt: skip


@pytest.mark.parametrize("name", list(COST))
def test_the_published_settings_cost_what_the_papers_say(name):
    assert methods()[name]().evaluations() == COST[name]
