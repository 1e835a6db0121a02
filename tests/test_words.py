"""What prompts hold beside their words (weights), and what of them a model does not read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retouch import Editor
from retouch.errors import BadParameter, BadPrompt
from retouch.methods.registry import method_named, methods
from retouch.weights import plain, read_weights
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow

PICTURE = Image.effect_noise((16, 16), 90).convert("RGB")
SOURCE, TARGET = "a red cat", "a blue cat"
STEPS = {"num_inference_steps": 5}


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "m"), device="cpu")


@pytest.fixture(scope="module")
def short_sighted(tmp_path_factory):
    """A model that reads 22 letters."""
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "sd2", "sd2"), device="cpu")


def edit(editor, target=TARGET, source=SOURCE, method="prox-npi", **settings):
    return editor.edit(PICTURE, source=source, target=target, method=method, **{**STEPS, "keep": "off", **settings})


# weights


@pytest.mark.parametrize(
    ("prompt", "text", "weights"),
    [
        ("a (blue:1.3) cat", "a blue cat", {"blue": 1.3}),
        ("a ((blue)) cat", "a blue cat", {"blue": 1.21}),
        ("a [blue] cat", "a blue cat", {"blue": 0.9091}),
        ("a (blue cat: 0.5), (sitting)", "a blue cat, sitting", {"blue": 0.5, "cat": 0.5, "sitting": 1.1}),
        ("(a (blue:2) cat:1.5)", "a blue cat", {"a": 1.5, "blue": 3.0, "cat": 1.5}),
        ("[(blue:2.2)] cat", "blue cat", {"blue": 2.0}),
        ("a (red:2) cat on a red beach", "a red cat on a red beach", {"red#1": 2.0}),
        ("a cat (small) and (blue:1.0)", "a cat small and blue", {"small": 1.1}),
        (r"a \(small\) (blue:.5) cat", "a (small) blue cat", {"blue": 0.5}),
        (r"a cat \(small\)", "a cat (small)", {}),
        ("a cat (small)", "a cat (small)", {}),
        ("a cat :) at 12:30", "a cat :) at 12:30", {}),
        ("a (blue cat", "a (blue cat", {}),
    ],
)
def test_weights_are_read_as_the_web_ui_reads_them(prompt, text, weights):
    read = read_weights(prompt)
    assert (read.text, dict(read.weights)) == (text, weights)
    assert read.parentheses == (prompt == "a cat (small)")


@pytest.mark.parametrize("prompt", ["a [red:blue:0.5] cat", "a [red|blue] cat", "a cat <lora:paint:0.8>"])
def test_marks_that_are_not_understood_are_refused(editor, prompt):
    with pytest.raises(BadPrompt, match="not understood"):
        edit(editor, prompt)


@given(st.text(alphabet="ab ()[]:\\1.|", max_size=14))
def test_any_text_is_read_or_refused_in_a_sentence(prompt):
    try:
        read = read_weights(prompt)
    except BadPrompt:
        return
    assert plain(prompt) == read.text and len(read.text) <= len(prompt)
    assert all(factor != 1 for factor in read.weights.values())


def test_a_weight_in_the_target_is_reweighting_at_every_step(editor):
    weighted = edit(editor, "a (blue:3) cat")
    assert weighted.notes == ("the weights in the target prompt are read as reweight blue=3, at every step.",)
    same = edit(editor, reweight="blue=3", reweight_while="always")
    assert weighted.image.tobytes() == same.image.tobytes() != edit(editor).image.tobytes()
    assert weighted.recipe == same.recipe and weighted.recipe["target"] == TARGET


def test_of_a_word_that_stands_there_twice_one_can_weigh_more(editor):
    target = "a blue cat, a blue dog"
    first, second, both = (
        edit(editor, prompt).image.tobytes()
        for prompt in ("a (blue:4) cat, a blue dog", "a blue cat, a (blue:4) dog", "a (blue:4) cat, a (blue:4) dog")
    )
    assert len({first, second, both, edit(editor, target).image.tobytes()}) == 4
    with pytest.raises(BadPrompt, match=r"'blue#3' is not there: .* has 'blue' 2 times"):
        edit(editor, target, reweight="blue#3=2", reweight_while="always")


def test_methods_that_weigh_no_words_say_so_and_never_read_the_marks_as_text(editor):
    for name in ("ddim", "masactrl", "sdedit"):
        settings = {"start_step": 1} if name == "masactrl" else {}
        weighted = edit(editor, "a (blue:3) cat", method=name, **settings)
        assert weighted.image.tobytes() == edit(editor, method=name, **settings).image.tobytes()
        assert any(f"{name} weighs no words: the weights blue=3 are left out (prox-npi" in n for n in weighted.notes)


def test_weights_in_the_source_are_left_out_with_a_word(editor):
    result = edit(editor, source="a (red:2) cat")
    assert result.image.tobytes() == edit(editor).image.tobytes() and result.recipe["source"] == SOURCE
    assert any("the weights in the source prompt are left out" in note for note in result.notes)


def test_weights_in_two_places_are_refused(editor):
    with pytest.raises(BadParameter, match="write the weights in one place"):
        edit(editor, "a (blue:3) cat", reweight="cat=2")
    with pytest.raises(BadParameter, match="write the weights in one place"):
        editor.edit(PICTURE, source=SOURCE, target="a (blue:3) cat", method=method_named("prox-npi", STEPS))


def test_ordinary_parentheses_stay_and_are_said(editor):
    result = edit(editor, "a blue cat (small)")
    assert result.recipe["target"] == "a blue cat (small)"
    assert any("the parentheses in 'a blue cat (small)' are read as text" in note for note in result.notes)
    assert not edit(editor, r"a blue cat \(small\)").notes


# the token limit


LONG = "a cat sitting on a wide beach"  # 22 tokens, all that is read


@pytest.mark.parametrize("name", list(methods()))
def test_a_change_beyond_the_token_limit_is_refused_by_every_method(short_sighted, name):
    before = short_sighted.model.evaluations
    for source, target, whose in (
        (f"{LONG} in snow", f"{LONG} in sun", "both prompts"),
        (LONG, f"{LONG}, wearing a hat", "the target prompt"),
        (f"{LONG} in the snow", LONG, "the source prompt"),
    ):
        with pytest.raises(
            BadPrompt, match=rf"the change is cut off: the model reads 24 tokens.*at the end of {whose}"
        ):
            short_sighted.edit(PICTURE, source=source, target=target, method=name)
    assert short_sighted.model.evaluations == before


def test_a_change_that_is_read_in_part_is_said_and_one_within_the_limit_only_as_before(short_sighted):
    part = edit(short_sighted, f"a blue {LONG[2:]} in sun", f"a red {LONG[2:]} in fog", "ddim").notes
    assert any(note == "a part of the change is cut off with it: 'fog', 'sun'." for note in part)
    inside = edit(short_sighted, f"a dog{LONG[5:]} now", f"{LONG} now", "ddim").notes
    assert len(inside) == 2 and all("the prompt is longer than the model reads" in note for note in inside)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("prox-npi", {"blend_words": "hat"}),
        ("prox-npi", {"reweight": "hat=2", "reweight_while": "always"}),
        ("prox-npi", {"cross_replace_words": "hat=0.5"}),
        ("masactrl", {"mask_words": "hat", "start_step": 1}),
    ],
    ids=str,
)
def test_a_named_word_that_is_cut_off_is_called_so(short_sighted, method, settings):
    before = short_sighted.model.evaluations
    with pytest.raises(
        BadPrompt, match=r"the word 'hat' is cut off: the model reads 24 tokens, and the prompt '.*' is"
    ):
        edit(short_sighted, f"a blue {LONG[2:]} in a hat", f"a red {LONG[2:]} in a hat", method, **settings)
    assert short_sighted.model.evaluations == before


# equal prompts


@pytest.mark.parametrize(
    ("method", "settings", "parts"),
    [
        ("negative-prompt", {"npi_interp": 0.5}, {}),
        ("null-text", {"inner_steps": 0}, {}),
        ("negative-prompt", {}, {"sampler": "ddpm"}),
        ("null-text", {"inner_steps": 1}, {"guidance": "classifier-free+guiders"}),
    ],
    ids=str,
)
def test_the_picture_is_not_promised_back_where_settings_prevent_it(editor, method, settings, parts):
    notes = edit(editor, SOURCE, method=method, **settings, **parts).notes
    assert not any("expect the picture back" in note for note in notes) and any("say the same" in n for n in notes)


def test_equal_prompts_whose_words_are_reweighted_are_an_edit_without_a_remark(editor):
    notes = edit(editor, "a (red:2) cat").notes
    assert not any("say the same" in note for note in notes)
