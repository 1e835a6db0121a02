"""Settings and arguments that cannot act are said, change nothing, and are in no recipe."""

import numpy as np
import pytest
import torch
from PIL import Image

from retouch import Editor
from retouch.errors import BadParameter
from retouch.methods.registry import method_named
from tests.small import FITS
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

PICTURE = Image.effect_noise((16, 16), 90).convert("RGB")
SOURCE, TARGET = "a red cat", "a blue cat"
MASK = Image.new("L", PICTURE.size, 255)
MASK.paste(0, (0, 0, 8, 16))
STEPS = {"num_inference_steps": 5}
LAYERS = "layer-diffusion"
AXES = ("inversion", "control", "guidance", "sampler")
QUICK = {**FITS, "adapter_rank": 0}
FIT = {k: FITS[k] for k in ("embedding_steps", "network_steps", "reference_steps", "segmenter", "object_text",
                            "background_text")}  # fmt: skip


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "m"), device="cpu")


def edit(editor, method, settings, **arguments):
    known = set(vars(method_named(method, {}, **{k: v for k, v in arguments.items() if k in AXES})))
    base = {k: v for k, v in {**QUICK, **STEPS}.items() if k in known}
    prompts = {"source": SOURCE, "target": TARGET}
    given = {**prompts, "keep": "off", **arguments, **base, **settings}
    return editor.edit(PICTURE, method=method, **given)


CASES = [
    # method, what is set, what of it cannot act, another value, the reason, arguments
    ("prox-npi", {"threshold": 0.1}, "quantile", (0.2, 0.9), "threshold is given", {}),
    ("prox-npi", {"threshold": 0.0}, "prox", ("soft", "hard"), "both rules are the same", {}),
    ("prox-npi", {"quantile": 1.0}, "dilation", (0, 3), "the edit has no region", {}),
    ("prox-npi", {"inversion_guidance_below": 0}, "inversion_guidance", (0.2, 0.9), "no step is below", {}),
    ("prox-npi", {"inversion_guidance": 0.0}, "inversion_guidance_below", (10, 900), "inversion_guidance is 0", {}),
    ("prox-npi", {}, "reconstruction_guidance_below", (10, 900), "reconstruction_guidance is 0", {}),
    ("prox-npi", {"guidance_scale": 0.0, "inversion_guidance": 0.0}, "quantile", (0.1, 0.9), "scale is 0", {}),
    ("prox-masactrl", {"start_step": 1}, "dilation", (0, 3), "used by neither inversion_guidance nor", {}),
    ("prox-npi", {}, "blend_threshold", (0.1, 0.9), "no region is blended", {}),
    ("prox-npi", {}, "blend_words", ("blue", "cat"), "the mask says where", {"mask": MASK}),
    ("prox-npi", {"blend_words": "auto"}, "blend_threshold", (0.1, 0.9), "no region", {"mask": MASK}),
    ("prox-npi", {}, "blend_words", ("auto", "none"), "differ in no word", {"target": SOURCE}),
    ("prox-npi", {}, "reweight_while", ("replacing", "always"), "no word is reweighted", {}),
    ("prox-npi", {"self_replace_steps": 0.1}, "self_replace_downsampling", (1, 4), "replaced at no step", {}),
    ("prox-npi", {}, "self_replace_steps", (0.01, 0.19), "no whole step", {}),
    ("prox-npi", {}, "cross_replace_steps", (0.01, 0.16), "0.01 of 5 steps is no whole step", {}),
    ("prox-npi", {"cross_replace_steps": 0.0}, "aligner", ("refine", "replace"), "replaced at no step", {}),
    ("prox-npi", {"aligner": "refine"}, "cross_replace_words", ("blue=0.2", "blue=1"), "no counterpart", {}),
    ("prox-npi", {}, "cross_replace_words", ("blue=0.8", "cat=0.81"), "says what cross_replace_steps says", {}),
    ("negative-prompt", {"guidance_scale": 1.0}, "npi_interp", (0.2, 0.9), "without guidance", {}),
    ("negative-prompt", {}, "npi_interp", (0.2, 0.9), "without guidance", {"guidance": "none"}),
    ("null-text", {"inner_steps": 0}, "learning_rate", (0.1, 0.9), "nothing is fitted", {}),
    ("null-text", {"learning_rate": 0.0}, "inner_steps", (1, 2), "nothing is fitted", {}),
    ("prompt-tuning", {"eta": 1.0}, "inner_steps", (1, 2), "fitted conditions are used nowhere", {}),
    ("masactrl", {"start_step": 1}, "mask_threshold", (0.1, 0.9), "names no words", {}),
    ("masactrl", {"start_step": 1}, "mask_words", ("cat", "a"), "what is foreground", {"foreground": MASK}),
    (
        "masactrl", {"start_step": 1, "mask_words": "cat"}, "mask_threshold", (0.1, 0.9), "foreground",
        {"foreground": MASK},
    ),
    ("plug-and-play", {"feature_share": 0.1}, "inject", ("inner", "block"), "at no step", {}),
    ("plug-and-play", {}, "attention_share", (0.01, 0.19), "no whole step", {}),
    ("guide-and-rescale", {"guided_share": 0.0}, "preset", ("layout", "style"), "no step is guided", {}),
    ("guide-and-rescale", {"guided_share": 0.1}, "rescale_high", (1.0, 2.0), "no step is guided", {}),
    ("guide-and-rescale", {"rescale_low": 0.0, "rescale_high": 0.0}, "attention_strength", (1.0, 2.0), "high is 0", {}),
    (
        "guide-and-rescale", {"attention_strength": 0.0, "feature_strength": 0.0}, "guided_share", (0.3, 0.9),
        "both strengths are 0", {},
    ),
    ("ddim", {"pag_scale": 0.0}, "pag_layers", ("mid", "all"), "pag_scale is 0", {"guidance": "perturbed-attention"}),
    ("ddim", {"guidance_scale": 0.0}, "renoise", (0.1, 0.9), "scale is 0", {"guidance": "cfg-plus-plus"}),
    ("ledits-pp", {"concepts": "a hat=6@0.8; cat@0.2"}, "edit_threshold", (0.1, 0.9), "names its own", {}),
    ("sdedit", {"strength": 0.0}, "guidance_scale", (1.0, 9.0), "nothing is denoised", {}),
    ("ddim", {"mode": "structure"}, "sharing_levels", (1, 2), "mode is structure", {"control": "feature-sharing"}),
    ("ddim", {}, "non_rigid_start", (0.1, 0.9), "by the words that change", {"control": "feature-sharing"}),
    ("ddim", {"mode": "non-rigid"}, "structure_share", (0.1, 0.9), "non-rigid", {"control": "feature-sharing"}),
    ("e4c", {"iterations": 0, "mode": "structure"}, "views", (1, 3), "CLIP is not asked", {}),
    ("e4c", {"iterations": 0}, "gateways", (1, 3), "nothing is optimised", {}),
    ("imagic", {"embedding_steps": 0}, "eta", (0.1, 0.9), "no other embedding", {}),
    ("imagic", {"network_steps": 0}, "adapter_rank", (1, 2), "the network is not fitted", {}),
    ("imagic", {"network_steps": 0, "embedding_steps": 0}, "batch_size", (1, 2), "nothing is fitted", {}),
    (LAYERS, {"layered_optimisation": False}, "embedding_steps", (1, 3), "layered_optimisation is off", {}),
    (LAYERS, {"network_training": False}, "object_weight", (1.0, 3.0), "the network is not fitted", {}),
    (LAYERS, {}, "reference_from", ("target", "background"), "reference is given", {"reference": PICTURE}),
    (LAYERS, {}, "reference_steps", (1, 3), "the reference is given", {"reference": PICTURE}),
    (LAYERS, {"alpha": 1.0}, "background_text", ("a beach", "a sea"), "alpha is 1", {}),
    (LAYERS, {"embedding_steps": 0, "network_steps": 0}, "segmenter", ("none", "diorama"), "nothing is fitted", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "settings", "name", "values", "reason", "arguments"), CASES, ids=lambda v: str(v)[:24]
)
def test_a_setting_that_cannot_act_is_said_and_changes_nothing(
    editor, method, settings, name, values, reason, arguments
):
    results = [edit(editor, method, {**settings, name: value}, **arguments) for value in values]
    first, second = results
    assert first.image.tobytes() == second.image.tobytes()
    notes = [note for note in first.notes if note.startswith(f"{name} is ") and "has no effect" in note]
    assert len(notes) == 1 and reason in " ".join(note for r in results for note in r.notes if name in note)
    assert (name in first.recipe["parameters"]) == ("no whole step" in reason)  # where its default could act
    if name not in QUICK:  # else it is set for the test to be short
        assert not any(note.startswith(f"{name} is ") for note in edit(editor, method, settings, **arguments).notes)


NEUTRAL = [
    ("prox-npi", {"quantile": 0.3, "dilation": 2, "blend_words": "cat", "blend_threshold": 0.2}),
    ("prox-npi", {"reweight": "blue=2", "reweight_while": "always", "cross_replace_words": "blue=0.4"}),
    ("prox-masactrl", {"inversion_guidance": 0.5, "dilation": 2, "start_step": 1, "mask_words": "cat"}),
    ("prompt-tuning", {"eta": 0.5, "inner_steps": 1, "early_stop": 0.0}),
    ("guide-and-rescale", {"preset": "style", "guided_share": 0.4, "rescale_high": 2.0}),
    ("sdedit", {"strength": 0.03}),
    (LAYERS, {"reference_from": "background", "background_weight": 2.0}),
]


@pytest.mark.parametrize(("method", "settings"), NEUTRAL, ids=str)
def test_of_settings_that_act_nothing_is_said(editor, method, settings):
    result = edit(editor, method, settings)
    assert not [note for note in result.notes if note.split(" is ")[0] in settings]
    assert settings.items() <= result.recipe["parameters"].items()


def test_a_recipe_of_what_acted_makes_the_same_picture_without_a_word(editor):
    first = edit(editor, "prox-npi", {"threshold": 0.1, "quantile": 0.7, "blend_threshold": 0.5})
    assert len(first.notes) == 2
    r = first.recipe
    again = editor.edit(PICTURE, source=SOURCE, target=TARGET, method=r["method"], keep=r["keep"], **r["parameters"])
    assert again.image.tobytes() == first.image.tobytes() and not again.notes and again.recipe == r


def test_of_a_method_object_what_is_not_at_its_default_counts_as_set(editor):
    method = method_named("prox-npi", {**STEPS, "threshold": 0.1, "quantile": 0.7})
    notes = editor.edit(PICTURE, source=SOURCE, target=TARGET, method=method).notes
    assert notes == ("quantile is 0.7, but has no effect: threshold is given and takes its place.",)


@pytest.mark.parametrize("method", ["prox-npi", "null-text", "sdedit"])
@pytest.mark.parametrize(
    "given", [{"budget": 5.0}, {"reference": PICTURE}, {"checkpoint": "state"}], ids=lambda given: next(iter(given))
)
def test_arguments_that_a_method_does_not_take_are_refused(editor, method, given):
    with pytest.raises(BadParameter, match=f"{next(iter(given))} has no effect: {method} (does|takes) no"):
        edit(editor, method, {}, **given)


def test_a_reference_for_imagic_is_refused_and_one_for_layer_diffusion_acts(editor):
    with pytest.raises(BadParameter, match="imagic takes no other picture's background"):
        edit(editor, "imagic", {}, reference=PICTURE)
    plain, other = (edit(editor, LAYERS, {}, **given) for given in ({}, {"reference": Image.new("RGB", (16, 16))}))
    assert plain.image.tobytes() != other.image.tobytes()


def test_a_fit_that_is_given_takes_no_budget_and_says_what_its_foreground_was_for(editor):
    fit = editor.fit(PICTURE, target=TARGET, method=LAYERS, **FIT)
    assert not fit.notes
    with pytest.raises(BadParameter, match="budget has no effect: the fit is made"):
        editor.edit(PICTURE, fit=fit, budget=3.0, **STEPS)
    with pytest.raises(BadParameter, match="foreground has no effect: it marks the object for the fit"):
        editor.edit(PICTURE, fit=fit, foreground=MASK, **STEPS)


def test_a_fit_says_what_of_its_settings_belongs_to_sampling(editor):
    quick = {"embedding_steps": 1, "network_steps": 0}
    fit = editor.fit(PICTURE, target=TARGET, method="imagic", eta=0.5, mask=MASK, **quick)
    assert any(note.startswith("eta is 0.5, but has no effect: it is a setting of sampling") for note in fit.notes)
    assert any(note.startswith("the mask has no effect: imagic fits to the whole picture") for note in fit.notes)


def test_a_seed_is_said_to_do_nothing_only_where_nothing_is_drawn(editor):
    sentence = "the seed has no effect: nothing is drawn at random."
    assert sentence in edit(editor, "ddim", {}, seed=3).notes and sentence not in edit(editor, "ddim", {}).notes
    assert sentence not in edit(editor, "sdedit", {}, seed=3).notes
    assert sentence not in edit(editor, "ddim", {}, seed=3, sampler="ddpm").notes
    assert sentence not in edit(editor, "imagic", {}, seed=3).notes


def test_a_source_prompt_that_is_not_read_is_said_and_a_shared_one_in_a_comparison_is_not(editor):
    from retouch.explore.compare import compare

    sentence = "the source prompt has no effect: sdedit reads the target prompt alone."
    assert edit(editor, "sdedit", {}).notes == (sentence,) and not edit(editor, "sdedit", {}, source=None).notes
    for methods, said in ((["sdedit", "ddim"], False), (["sdedit"], True)):
        notes = compare(editor, PICTURE, source=SOURCE, target=TARGET, methods=methods, settings=STEPS).notes
        assert (sentence in notes) == said


def test_an_eta_that_is_set_and_varied_is_refused(editor):
    from retouch.explore.sweep import run_sweep

    fit = editor.fit(PICTURE, target=TARGET, method="imagic", embedding_steps=1, network_steps=0)
    with pytest.raises(BadParameter, match=r"eta is set to .*, but etas vary it"):
        run_sweep(editor, PICTURE, fit, etas=[0.2, 0.4], seeds=[0], settings={"eta": 0.5})
    swept = run_sweep(editor, PICTURE, fit, etas=[0.2, 0.4], seeds=[0, 1], settings=STEPS)
    assert [(sample.eta, sample.seed) for sample in swept.samples] == [(0.2, 0), (0.2, 1), (0.4, 0), (0.4, 1)]


def test_a_mask_is_asked_for_in_one_way(editor):
    with pytest.raises(BadParameter, match="say in one way what to mark"):
        editor.mask(PICTURE, word="cat", points=[(3, 3)])
    with pytest.raises(BadParameter, match="a prompt goes with a word"):
        editor.mask(PICTURE, prompt="a red cat", points=[(3, 3)])


def test_a_weight_is_refused_where_its_own_word_is_never_replaced(editor):
    with pytest.raises(BadParameter, match=r"for 'blue' \(cross_replace_words is 0 of 5 steps\)"):
        edit(editor, "prox-npi", {"reweight": "blue=2", "cross_replace_words": "blue=0"})


def test_half_precision_is_fitted_in_mixed_precision_whatever_is_set(tmp_path):
    model = Editor.from_pretrained(save_tiny(tmp_path / "m"), device="cpu").model
    model.unet.to(torch.bfloat16)
    notes = edit(Editor(model), "imagic", {"bfloat16": False}).notes
    assert any("bfloat16 is False, but has no effect: the model is in half precision" in note for note in notes)


@pytest.mark.parametrize(
    ("method", "settings"),
    [("sdedit", {"strength": 0.0}), ("diffedit", {"encoding_ratio": 0.1}), ("ledits-pp", {"skip": 1.0})],
)
def test_an_edit_of_no_step_says_so(editor, method, settings):
    assert any("no step is denoised" in note for note in edit(editor, method, settings).notes)


def test_a_sampler_that_adds_no_noise_draws_none_and_returns_the_picture_as_ddim_does(editor):
    still = edit(editor, "negative-prompt", {"stochasticity": 0.0}, sampler="ddpm", target=SOURCE, seed=3)
    plain = edit(editor, "negative-prompt", {}, target=SOURCE)
    assert any("expect the picture back" in note for note in still.notes)
    assert any("the seed has no effect" in note for note in still.notes)
    assert np.abs(np.asarray(still.image, int) - np.asarray(plain.image, int)).max() <= 1
    noisy = edit(editor, "negative-prompt", {"stochasticity": 0.5}, sampler="ddpm", target=SOURCE, seed=3)
    assert any("returns no exact picture" in note for note in noisy.notes)


@pytest.mark.parametrize(
    ("method", "says"),
    [("edit-friendly", "set guidance_scale to 3.5"), ("ddim", "set guidance_scale to 1."), ("sdedit", "use negative")],
)
def test_equal_prompts_are_told_how_the_picture_comes_back(editor, method, says):
    settings = {"source_guidance_scale": 3.5} if method == "edit-friendly" else {}
    (note,) = (note for note in edit(editor, method, settings, target=SOURCE).notes if "say the same" in note)
    assert f"{method} returns no exact picture then" in note and says in note


def test_concepts_take_the_place_of_the_target_prompt_and_of_the_scale(editor):
    def said(concepts, **more):
        notes = edit(editor, "ledits-pp", {"concepts": concepts, "guidance_scale": 3.0}, **more).notes
        return {name for name in ("guidance_scale is 3", "the target prompt has no effect") if name in " ".join(notes)}

    assert said("") == set()
    assert said("a hat") == {"the target prompt has no effect"}
    assert said("a hat=6; -scarf=5@0.8") == {"guidance_scale is 3", "the target prompt has no effect"}
    assert said("a hat=6", control="mutual-self-attention", inversion="ddim") == set()


def test_an_addition_that_is_switched_off_takes_no_reconstruction_away(editor):
    for scale, says in ((0.0, "expect the picture back"), (1.0, "returns no exact picture")):
        notes = edit(editor, "negative-prompt", {"pag_scale": scale}, guidance="pag", target=SOURCE).notes
        assert any(says in note for note in notes)


def test_a_setting_that_is_given_twice_is_refused_unless_it_says_the_same():
    from retouch.parameters import settings_from_text

    assert settings_from_text(["start-step=2", "start_step=2"]) == {"start_step": "2"}
    with pytest.raises(BadParameter, match=r"--set gives quantile twice, as '0\.2' and '0\.9'"):
        settings_from_text(["quantile=0.2", "quantile=0.9"])
