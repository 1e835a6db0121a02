"""A negative prompt: what it is the same as, what it costs, and where it cannot act."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from retouch import Editor
from retouch.errors import BadParameter, BadPrompt
from retouch.explore.compare import compare
from retouch.explore.sweep import run_sweep
from retouch.fit.fitted import Fit
from retouch.methods.catalogue import parts
from retouch.methods.registry import method_named, method_type, methods
from retouch.parameters import parameters_of
from retouch.parts.job import Job
from tests.small import short
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

PICTURE = Image.effect_noise((16, 16), 90).convert("RGB")
SOURCE, TARGET, NEGATIVE = "a red cat", "a blue dog", "a hat"


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "m", "sd2"), device="cpu")


def run(model, name, negative=None, parts=None, source=SOURCE, **settings):
    known = {p.name for p in parameters_of(method_type(name, **(parts or {})))}
    method = method_named(name, {k: v for k, v in settings.items() if k in known}, **(parts or {}))
    latents = model.encode(torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    job = Job(model, latents, TARGET, source, torch.Generator().manual_seed(3), lambda n: None, negative=negative)
    before = model.evaluations
    return method.edit(job).target, model.evaluations - before, method


def edit(editor, name, **given):
    settings = {k: v for k, v in short(name, 4).items() if k not in given}
    start = {"start_step": 1} if name in ("masactrl", "prox-masactrl") else {}
    asked = {"source": SOURCE, "target": TARGET, "method": name, "keep": "off"}
    return editor.edit(PICTURE, **{**asked, **settings, **start, **given})


SMALL = {
    "num_inference_steps": 2, "start_step": 0, "inner_steps": 1, "early_stop": 0.0, "encoding_ratio": 1.0,
    "mask_noises": 1, "quantile": 0.1, "edit_threshold": 0.1, "reference_guidance_scale": 2.0,
}  # fmt: skip
MIXES = [
    *itertools.product(["negative-prompt", "null-text"], ["none"], parts()["guidance"]),
    *itertools.product(parts()["inversion"], ["none"], ["classifier-free"]),
    *itertools.product(["ddim", "negative-prompt"], parts()["control"], ["classifier-free", "proximal"]),
    ("negative-prompt", "mutual-self-attention", "proximal+guiders+pag"),
]


@pytest.mark.parametrize("mix", dict.fromkeys(MIXES), ids="-".join)
def test_it_changes_every_guided_combination_at_the_cost_that_is_said(editor, mix):
    chosen = dict(zip(("inversion", "control", "guidance"), mix))
    try:
        method_type("ddim", **chosen)
    except BadParameter:
        return  # makes no sense together, which others test
    plain, cost, method = run(editor.model, "ddim", None, chosen, **SMALL)
    led, more, _ = run(editor.model, "ddim", NEGATIVE, chosen, **SMALL)
    assert cost == method.evaluations() and more == method.evaluations(negative=True)
    assert torch.isfinite(led).all() and torch.equal(led, plain) == (mix[2] == "none")


@pytest.mark.parametrize("name", methods())
def test_every_method_is_led_away_or_says_why_not(editor, name):
    plain, led = edit(editor, name), edit(editor, name, negative_prompt=NEGATIVE)
    said = [note for note in led.notes if note.startswith("the negative prompt has no effect: ")]
    assert (plain.image.tobytes() == led.image.tobytes()) == bool(said) == (name == "ddib")
    assert led.recipe.get("negative_prompt") == (None if said else NEGATIVE) and "negative_prompt" not in plain.recipe
    assert edit(editor, name, negative_prompt=" ").image.tobytes() == plain.image.tobytes()


def test_the_source_prompt_as_negative_prompt_is_negative_prompt_inversion(editor):
    known = run(editor.model, "ddim", None, {"inversion": "negative-prompt"}, num_inference_steps=4)[0]
    assert torch.equal(known, run(editor.model, "ddim", SOURCE, num_inference_steps=4)[0])


@pytest.mark.parametrize("guidance", ["classifier-free", "cfg-plus-plus"])
def test_an_inversion_whose_null_text_is_the_empty_one_makes_no_difference(editor, guidance):
    settings = {"num_inference_steps": 4, "npi_interp": 1.0, "inner_steps": 0}  # ∅ is the empty prompt in all of them
    plain, turned, fitted = (
        run(editor.model, "ddim", NEGATIVE, {"inversion": inversion, "guidance": guidance}, **settings)[0]
        for inversion in ("ddim", "negative-prompt", "ddim" if guidance == "cfg-plus-plus" else "null-text")
    )
    torch.testing.assert_close(turned, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fitted, plain, atol=1e-4, rtol=1e-4)


def test_in_the_place_of_the_source_prompt_it_is_said_after_it(editor):
    words = {"num_inference_steps": 4}
    both = run(editor.model, "negative-prompt", NEGATIVE, {"control": "none"}, **words)[0]
    assert torch.equal(both, run(editor.model, "ddim", f"{SOURCE}, {NEGATIVE}", **words)[0])


@pytest.mark.parametrize("inversion", ["ddim", "negative-prompt", "null-text"])
def test_a_proximal_guidance_that_keeps_everything_is_led_away_like_a_plain_one(editor, inversion):
    settings = {"num_inference_steps": 3, "threshold": 0.0, "inversion_guidance": 0.0, "inner_steps": 1}
    kept = run(editor.model, "ddim", NEGATIVE, {"inversion": inversion, "guidance": "proximal"}, **settings)[0]
    plain = run(editor.model, "ddim", NEGATIVE, {"inversion": inversion}, **settings)[0]
    torch.testing.assert_close(kept, plain, atol=1e-4, rtol=1e-4)


def test_where_proximal_guidance_keeps_nothing_the_picture_is_not_drawn_to_it(editor):
    settings = {"num_inference_steps": 3, "quantile": 1.0}
    plain, led = (run(editor.model, "prox-npi", negative, **settings)[0] for negative in (None, NEGATIVE))
    assert torch.equal(plain, led)


def test_with_concepts_it_is_one_more_to_lead_away_from(editor):
    settings = {"num_inference_steps": 3, "edit_threshold": 0.3}
    led = run(editor.model, "ledits-pp", NEGATIVE, **settings)[0]
    assert torch.equal(led, run(editor.model, "ledits-pp", None, concepts=f"{TARGET}; -{NEGATIVE}", **settings)[0])
    named = run(editor.model, "ledits-pp", NEGATIVE, concepts=TARGET, **settings)[0]
    torch.testing.assert_close(named, led)


def test_the_source_branch_is_not_led_away(editor):
    method = method_named("prompt-to-prompt", {"num_inference_steps": 3})
    latents = editor.model.encode(torch.zeros(1, 3, 16, 16))
    job = Job(editor.model, latents, TARGET, SOURCE, torch.Generator(), lambda n: None)
    plain, led = method.edit(job), method.edit(replace(job, negative=NEGATIVE))
    assert torch.equal(plain.source, led.source) and not torch.equal(plain.target, led.target)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("ddim", {"guidance_scale": 1.0}, "guidance_scale is 1"),
        ("imagic", {"guidance_scale": 1.0}, "guidance_scale is 1"),
        ("ledits-pp", {"guidance_scale": 0.0}, "guidance_scale is 0"),
        ("sdedit", {"strength": 0.0}, "nothing is denoised"),
        ("ddib", {}, "there is no guidance that could lead away from it"),
    ],
)
def test_where_it_cannot_act_it_is_said(editor, name, settings, reason):
    plain, led = edit(editor, name, **settings), edit(editor, name, negative_prompt=NEGATIVE, **settings)
    assert plain.image.tobytes() == led.image.tobytes() and led.evaluations == plain.evaluations
    assert f"the negative prompt has no effect: {reason}." in led.notes and plain.recipe == led.recipe


@pytest.mark.parametrize("name", ["ddim", "prox-npi", "imagic"])
def test_guidance_that_would_draw_towards_it_is_refused(editor, name):
    with pytest.raises(BadParameter, match=r"guidance_scale is 0\.5, where a negative prompt would draw"):
        edit(editor, name, negative_prompt=NEGATIVE, guidance_scale=0.5)


def test_what_is_no_text_too_long_or_weighted_is_said(editor):
    with pytest.raises(BadPrompt, match="a prompt is 3, expected text"):
        edit(editor, "ddim", negative_prompt=3)
    notes = edit(editor, "ddim", negative_prompt="a hat " * 9).notes
    assert any(note.startswith("the negative prompt is longer than the model reads (24 tokens)") for note in notes)
    weighted, bare = (edit(editor, "ddim", negative_prompt=text) for text in ("a (hat:1.3)", NEGATIVE))
    assert weighted.image.tobytes() == bare.image.tobytes() and weighted.recipe == bare.recipe
    assert any(note.startswith("the weights in the negative prompt are left out") for note in weighted.notes)


def test_equal_prompts_with_a_negative_one_are_an_edit(editor):
    def said(result):
        return any("the two prompts say the same" in note for note in result.notes)

    assert said(edit(editor, "ddim", target=SOURCE))
    assert not said(edit(editor, "ddim", target=SOURCE, negative_prompt=NEGATIVE))
    assert said(edit(editor, "ddib", target=SOURCE, negative_prompt=NEGATIVE))


@pytest.mark.parametrize("name", ["ddim", "prox-npi", "ledits-pp", "e4c"])
def test_a_recipe_with_it_makes_the_same_picture_again(editor, name):
    first = edit(editor, name, negative_prompt=NEGATIVE, seed=2)
    words = {key: first.recipe[key] for key in ("source", "target", "negative_prompt", "seed")}
    again = editor.edit(PICTURE, method=name, keep="off", **first.recipe["parameters"], **words)
    assert first.image.tobytes() == again.image.tobytes() and first.recipe == again.recipe


def test_a_fit_serves_edits_with_any_negative_prompt_unless_it_has_sampled_under_one(editor):
    fits = {
        name: editor.fit(PICTURE, target=TARGET, method=name, negative_prompt=NEGATIVE, **short(name, 4))
        for name in ("imagic", "layer-diffusion")
    }
    said = "the negative prompt has no effect: the fit samples nothing: give it to the edits made from the fit."
    assert said in fits["imagic"].notes and "negative_prompt" not in fits["imagic"].recipe
    assert not [note for note in fits["layer-diffusion"].notes if "negative" in note]
    assert fits["layer-diffusion"].recipe["negative_prompt"] == NEGATIVE

    def sampled(name, **given):
        return editor.variations(PICTURE, fits[name], seeds=[1], num_inference_steps=4, keep="off", **given)[0]

    plain, led = sampled("imagic"), sampled("imagic", negative_prompt=NEGATIVE)
    assert plain.image.tobytes() != led.image.tobytes() and led.recipe["negative_prompt"] == NEGATIVE
    kept, own = sampled("layer-diffusion"), sampled("layer-diffusion", negative_prompt="a tree")
    assert (kept.recipe["negative_prompt"], own.recipe["negative_prompt"]) == (NEGATIVE, "a tree")


def test_a_fit_with_it_is_kept_in_a_file(editor, tmp_path):
    made = editor.fit(
        PICTURE, target=TARGET, method="layer-diffusion", negative_prompt=NEGATIVE, **short("layer-diffusion", 4)
    )
    made.save(tmp_path / "f.safetensors")
    assert Fit.load(tmp_path / "f.safetensors").recipe["negative_prompt"] == NEGATIVE


def test_comparisons_and_sweeps_take_it(editor):
    given = {"source": SOURCE, "target": TARGET, "methods": ["ddim", "ddib"], "settings": {"num_inference_steps": 3}}
    compared = compare(editor, PICTURE, negative_prompt=NEGATIVE, **given)
    assert [row.result.recipe.get("negative_prompt") for row in compared.rows] == [NEGATIVE, None]
    assert not [note for note in compared.notes if "negative" in note]  # one of them uses it
    fit = editor.fit(PICTURE, target=TARGET, method="imagic", **short("imagic", 4))
    steps = {"num_inference_steps": 4}
    swept = [
        run_sweep(editor, PICTURE, fit, etas=[0.5], seeds=[0], negative_prompt=negative, keep="off", settings=steps)
        for negative in (None, NEGATIVE)
    ]
    assert not np.array_equal(*(one.samples[0].result.image for one in swept))
