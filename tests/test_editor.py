"""The editor from Python: what may be handed to it, what it refuses, and what the result carries."""

import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

import retouch
from retouch import Editor, RetouchError
from retouch.backbone.recommended import Recommended
from retouch.errors import BadParameter, BadPicture, BadPrompt
from retouch.methods import registry
from retouch.methods.registry import methods
from retouch.picture import read_recipe
from tests.small import short
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

PICTURE = Image.new("RGB", (20, 14), "red")
SOURCE, TARGET = "a red cat", "a blue cat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models") / "m")


@pytest.fixture(scope="module")
def editor(folder):
    return Editor.from_pretrained(folder, device="cpu")


def edit(editor, image=PICTURE, source="a red cat", target="a blue cat", method="prox-npi", **settings):
    return editor.edit(
        image, source=source, target=target, method=method, **{"num_inference_steps": 2, "keep": "off", **settings}
    )


def test_a_result_has_the_pictures_size_and_carries_its_recipe(editor, folder, tmp_path):
    result = edit(editor, seed=np.int64(3), quantile=np.float32(0.5), dilation=np.int32(2))
    assert result.image.size == PICTURE.size and result.evaluations == 8
    result.save(tmp_path / "out.png")
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe == json.loads(json.dumps(result.recipe))
    assert recipe["model"] == str(folder) and recipe["seed"] == 3 and recipe["fingerprint"] == editor.model.fingerprint
    assert recipe["parameters"]["quantile"] == 0.5 and recipe["parameters"]["dilation"] == 2
    assert {"torch", "diffusers", "transformers"} == recipe["versions"].keys()


def test_the_recipe_makes_the_same_picture_again(editor):
    first = edit(editor, seed=7, method="sdedit")
    r = first.recipe
    again = editor.edit(
        PICTURE,
        source=r["source"],
        target=r["target"],
        method=r["method"],
        seed=r["seed"],
        keep=r["keep"],
        **r["parameters"],
    )
    assert again.image.tobytes() == first.image.tobytes()
    assert edit(editor, seed=8, method="sdedit").image.tobytes() != first.image.tobytes()


def test_progress_ends_at_its_total(editor):
    seen = []
    edit(editor, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"image": np.zeros((8, 8, 3), np.uint8)}, BadPicture, "expected a path or a PIL image"),
        ({"image": "no-such.png"}, BadPicture, "there is no file no-such.png"),
        ({"target": " "}, BadPrompt, "target prompt is empty"),
        ({"target": None}, BadPrompt, "target prompt is empty"),
        ({"target": 5}, BadPrompt, "expected text"),
        ({"target": "a blue \udcff cat"}, BadPrompt, "not text"),
        ({"source": "a red \udcff cat"}, BadPrompt, "not text"),
        ({"source": ""}, BadPrompt, "give a source prompt with --from"),
        ({"seed": 1.5}, BadParameter, "seed is 1.5"),
        ({"seed": -1}, BadParameter, "seed is -1"),
        ({"seed": 2**63}, BadParameter, "whole number"),
        ({"method": "prox"}, BadParameter, "there is no method 'prox'"),
        ({"quantile": 2}, BadParameter, "quantile is 2"),
        ({"quantil": 0.5}, BadParameter, "did you mean quantile"),
        ({"reweight": "blue=nan"}, BadPrompt, "out of range"),
        ({"cross_replace_words": "blue=7"}, BadPrompt, "out of range"),
        ({"reweight": "green=2"}, BadPrompt, "'green' is not in the prompt"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(editor, arguments, error, says):
    with pytest.raises(error, match=says) as caught:
        edit(editor, **arguments)
    assert isinstance(caught.value, RetouchError) and "\n" not in str(caught.value)


def test_equal_prompts_are_remarked_on(editor):
    assert any("say the same" in note for note in edit(editor, target="a red  cat").notes)
    assert not edit(editor).notes
    drifts = edit(editor, target="a red cat", method="ddim").notes
    assert not any("expect the picture back" in note for note in drifts)
    assert any("ddim returns no exact picture" in note for note in drifts)


def test_too_little_memory_is_one_sentence(editor, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(editor.model, "predict_noise", full)
    with pytest.raises(RetouchError, match="too little free memory"):
        edit(editor)


def test_reweighting_reaches_the_picture_whatever_the_model_recommends(editor, monkeypatch):
    monkeypatch.setattr(editor.model, "recommended", Recommended({"prox-npi": {"cross_replace_steps": 0.0}}))
    with pytest.raises(BadParameter, match="reweight is 'blue=4', but it acts while cross-attention is replaced"):
        edit(editor, reweight="blue=4")
    always = edit(editor, reweight="blue=4", reweight_while="always")
    assert always.image.tobytes() != edit(editor).image.tobytes()


def test_settings_are_recommended_for_parts_and_go_with_them(editor, monkeypatch):
    recommended = {
        "masactrl": {"guidance_scale": 2.5, "start_step": 1}, "prox-masactrl": {"guidance_scale": 6.0, "quantile": 0.1},
        "prompt-tuning": {"inner_steps": 3}, "null-text": {"inner_steps": 2},
    }  # fmt: skip
    monkeypatch.setattr(editor.model, "recommended", Recommended(recommended))
    mixed = editor.method_for("masactrl", SOURCE, TARGET, {}, guidance="proximal")
    assert (mixed.guidance_scale, mixed.quantile, mixed.start_step) == (6.0, 0.1, 1)
    assert editor.method_for("null-text", SOURCE, TARGET, {}, inversion="prompt-tuning").inner_steps == 3


def test_an_edit_inside_an_edit_of_the_same_model_is_refused_and_harms_nothing(editor):
    def begin(*_):
        editor.edit(PICTURE, source="a red cat", target="a blue cat", method="ddim", num_inference_steps=2)

    settings = {"source": "a red cat", "target": "a blue cat", "method": "prox-npi", "num_inference_steps": 3}
    plain = editor.edit(PICTURE, **settings)
    with pytest.raises(RetouchError, match=r"is going on in this thread.*begin the next one when it is done"):
        editor.edit(PICTURE, **settings, progress=begin)
    assert editor.edit(PICTURE, **settings).image.tobytes() == plain.image.tobytes()


def test_edits_from_many_threads_are_those_made_one_after_the_other(editor):
    """Every method at once, some twice, on one editor."""
    names = [name for name in methods() if name not in ("layer-diffusion",)]

    def run(name):
        result = edit(editor, method=name, **short(name, 5))
        return result.image.tobytes(), result.evaluations

    serial = {name: run(name) for name in names}
    again = [*names, *names[::3]]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, again))
    assert together == [serial[name] for name in again]


@contextmanager
def other_defaults():
    """New tensors are float64, and on a device that holds no values."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["prox-npi", "null-text", "imagic", "e4c", "edit-friendly"])
@pytest.mark.parametrize(
    "state", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16), other_defaults],
    ids=["no_grad", "inference_mode", "autocast", "defaults"],
)  # fmt: skip
def test_torchs_state_around_an_edit_changes_nothing(editor, name, state):
    plain = edit(editor, method=name, **short(name, 5)).image.tobytes()
    with state():
        assert edit(editor, method=name, **short(name, 5)).image.tobytes() == plain


@pytest.mark.parametrize("device", ["meta", "hpu", "nonsense"])
def test_places_where_nothing_is_computed_are_no_devices(folder, device):
    with pytest.raises(BadParameter, match="is not available"):
        Editor.from_pretrained(folder, device=device)


def test_the_package_shows_its_public_names():
    assert set(retouch.__all__) <= set(dir(retouch))
    with pytest.raises(AttributeError):
        _ = retouch.nothing


def test_a_broken_method_of_another_package_takes_nothing_away(monkeypatch):
    broken = importlib.metadata.EntryPoint("broken", "no_such_package:Method", "retouch.methods")
    monkeypatch.setattr("retouch.plugins.entry_points", lambda group: [broken])
    registry.methods.cache_clear()
    try:
        with pytest.warns(UserWarning, match="'broken'"):
            assert "prox-npi" in registry.methods()
    finally:
        registry.methods.cache_clear()


@pytest.mark.parametrize("model", ["diorama", None, 5])
def test_an_editor_of_no_model_says_how_to_make_one(model):
    with pytest.raises(BadParameter, match=r"Editor\.from_pretrained"):
        Editor(model)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"image": None}, "image is None, expected a path"),
        ({"image": np.zeros((8, 8, 3))}, "image is of the type ndarray"),
        ({"mask": np.zeros((8, 8))}, "mask is of the type ndarray"),
        ({"reference": 5}, "reference is 5, expected a path"),
        ({"method": 5}, "method is 5, expected a method's name"),
        ({"fit": "cat.safetensors"}, r"fit is 'cat.safetensors', expected a fit: read a file with Fit\.load"),
        ({"budget": "5"}, "budget is '5', expected a number of seconds"),
        ({"budget": float("nan")}, "budget is nan"),
        ({"progress": 5}, "progress is 5, expected a function"),
        ({"inversions": {}}, r"inversions is \{\}, expected"),
        ({"method": "ledits-pp", "concept_masks": np.array(["both"])}, "concept_masks is"),
        ({"inversion": 5}, "inversion is 5, expected a part's name"),
        ({"seed": 1.5}, "seed is 1.5, expected a whole number"),
        ({"source": 5}, "a prompt is 5, expected text"),
        ({"quantile": np.zeros(3)}, "quantile is"),
    ],
    ids=str,
)
def test_arguments_of_another_type_are_one_sentence(editor, given, says):
    with pytest.raises(RetouchError, match=says) as caught:
        edit(editor, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda editor: Editor.from_pretrained(None),
            "the model is None, expected 'diorama' or 'diorama-pixels', the path",
        ),
        (lambda editor: Editor.from_pretrained(""), "the model is '', expected"),
        (lambda editor: editor.mask(PICTURE, word=5), "word is 5, expected text"),
        (lambda editor: editor.mask(PICTURE, word=["cat"]), r"word is \['cat'\], expected text"),
        (lambda editor: editor.mask(PICTURE, word="cat", prompt=5), "prompt is 5"),
        (lambda editor: editor.mask(PICTURE, word="cat", segmenter=5), "segmenter is 5"),
        (lambda editor: editor.mask(PICTURE, points=5), r"points is 5, expected pairs \(x, y\)"),
        (lambda editor: editor.mask(PICTURE, points=[(1,)]), r"points is \(1,\), expected pairs"),
        (lambda editor: editor.mask(PICTURE, outside=[("a", 2)]), r"outside is \('a', 2\), expected pairs"),
        (lambda editor: editor.mask(PICTURE, box=(1, 2, 3)), r"box is \(1, 2, 3\), expected \(left"),
        (lambda editor: editor.mask(PICTURE, box="1,2,3,4"), "box is '1,2,3,4', expected"),
        (lambda editor: editor.method_for(5, SOURCE, TARGET, {}), "method is 5, expected a method's name"),
        (lambda editor: editor.method_for("ddim", SOURCE, None, {}), "target is None, expected text"),
        (lambda editor: editor.method_for("ddim", SOURCE, TARGET, 5), "settings is 5, expected parameters"),
        (lambda editor: editor.method_for("ddim", SOURCE, TARGET, {}, inversion=5), "inversion is 5"),
        (lambda editor: editor.method_for("ddim", SOURCE, TARGET, {}, invert="ddim"), "no part 'invert'"),
        (lambda editor: editor.variations(PICTURE, None), "fit is None, expected a fit"),
        (
            lambda editor: editor.fit(PICTURE, target=TARGET, method="ddim"),
            "ddim makes no fit to keep: choose one of imagic",
        ),
        (lambda editor: editor.fit(PICTURE, target=TARGET, method=None), "method is None"),
    ],
)
def test_what_other_calls_are_handed_is_checked_too(editor, call, says):
    with pytest.raises(RetouchError, match=says) as caught:
        call(editor)
    assert "\n" not in str(caught.value)


def test_seeds_and_etas_may_be_arrays_and_are_no_single_numbers(editor):
    settings = {"embedding_steps": 1, "network_steps": 1, "num_inference_steps": 2}
    fit = editor.fit(PICTURE, target=TARGET, **settings)
    made = editor.variations(PICTURE, fit, seeds=np.arange(2), etas=np.array([0.5, 1.0]))
    assert [result.recipe["seed"] for result in made] == [0, 1, 0, 1]
    for given, says in (
        ({"seeds": 5}, "seeds is 5, expected whole numbers in a list"),
        ({"etas": 0.5, "seeds": [1]}, "etas is 0.5, expected numbers in a list"),
        ({"etas": np.array([]), "seeds": [1]}, "nothing to sample"),
    ):
        with pytest.raises(BadParameter, match=says):
            editor.variations(PICTURE, fit, **given)


def test_a_fits_file_may_be_read_by_whom_a_pictures_may(editor, tmp_path):
    fit = editor.fit(PICTURE, target=TARGET, embedding_steps=1, network_steps=1)
    fit.save(tmp_path / "fit.safetensors")
    edit(editor).save(tmp_path / "out.png")
    assert (tmp_path / "fit.safetensors").stat().st_mode == (tmp_path / "out.png").stat().st_mode
    assert retouch.Fit.load(tmp_path / "fit.safetensors").method == "imagic"


def test_none_is_no_text_where_it_is_shown_as_the_default(editor):
    assert edit(editor, reweight="none").recipe["parameters"]["reweight"] == ""
