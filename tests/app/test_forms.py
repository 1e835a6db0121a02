"""Forms: what a browser sends is checked before anything is done; recipes come back as forms, whoever wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouch.app.forms import EMPTY, Forms, form_of
from retouch.app.panels import methods
from retouch.errors import RetouchError
from tests.app.common import ABOUT, FORM

FORMS = Forms(ABOUT)


def edit(**more):
    return FORMS.edit({**FORM, **more}, b"picture")


def test_a_form_becomes_an_edit_and_an_edit_the_form_again():
    one = edit(settings={"scale": 3, "masked": "false", "threshold": ""}, strength=0.5)
    assert one.settings == {"scale": 3.0, "masked": False} and one.seed == 3 and one.strength == 0.5
    assert FORMS.edit(form_of(one), b"picture") == one


def test_what_is_as_it_is_by_itself_is_no_setting():
    assert edit(settings={"scale": 7.5, "kind": "soft", "num_inference_steps": "20"}).settings == {}


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"target": ""}, "empty"),
        ({"source": ""}, "plain needs to know"),
        ({"source": "", "method": "auto"}, "the automatic choice needs to know"),
        ({"target": "x" * 10_000}, "10000 letters"),
        ({"target": "a {red|blue} cat"}, "Make the grid"),
        ({"target": None}, "no text"),
        ({"target": "a \ud800 cat"}, "half a letter"),
        ({"method": "/etc/passwd"}, "no method"),
        ({"method": ["plain"]}, "no method"),
        ({"settings": {"scale": 99}}, "scale is 99"),
        ({"settings": {"clip": "owner/model"}}, "no setting 'clip'"),
        ({"settings": {"scale": "x"}}, "scale"),
        ({"settings": "{"}, "reload"),
        ({"settings": [1]}, "reload"),
        ({"settings": {"words": "x" * 10_000}}, "letters"),
        ({"method": "auto", "settings": {"scale": 3}}, "auto has no setting"),
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"strength": True}, "strength"),
        ({"keep": "never"}, "keep"),
        ({"seed": -1}, "seed"),
        ({"seed": "1" * 40}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": "0x3"}, "seed"),
        ({"size": "9999"}, "working size"),
        ({"size": "x"}, "working size"),
        ({"region": "x" * 300}, "region"),
        ({"region": "1,2,3"}, "left,top,right,bottom"),
        ({"region": "1,2,3,cat"}, "left,top,right,bottom"),
        ({"region": "30,2,3,40"}, "left below right"),
        ({"region": "0,0,inf,nan"}, "region"),
        ({"parts": {"control": "/etc"}}, "plain takes no control"),
        ({"parts": {"control": ["all"]}}, "plain takes no control"),
        ({"parts": {"method": "all"}}, "reload"),
        ({"parts": "all"}, "reload"),
        ({"parts": {"control": "all"}, "method": "free", "source": ""}, "free takes no control"),
        ({"parts": {"guidance": "proximal"}, "settings": {"scale": 3}}, "no setting 'scale'"),
        ({"upscaler": "owner/other"}, "no upscaler"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(wrong, sentence):
    with pytest.raises(RetouchError, match=sentence) as caught:
        edit(**wrong)
    assert len(str(caught.value)) < 300


def test_a_method_without_a_source_needs_none():
    assert edit(source="", method="free").source == ""


def test_a_recipe_comes_back_as_the_form_that_made_it():
    recipe = {"model": "diorama", "method": "plain", "parameters": {"scale": 3.0, "clip": "owner/model"}, "seed": 5,
              "source": "a", "target": "b", "negative_prompt": "c", "strength": 0.5, "keep": "exact", "size": 256,
              "region": "cat"}  # fmt: skip
    form, notes = FORMS.of_recipe(recipe)
    assert form == {"source": "a", "target": "b", "negative": "c", "method": "plain", "settings": {"scale": 3.0},
                    "strength": 0.5, "keep": "exact", "seed": 5, "region": "cat", "size": "256", "parts": {},
                    "upscaler": ""}  # fmt: skip
    assert notes == []


def test_a_region_in_numbers_parts_and_an_upscaler_come_back_too():
    asked = {"region": "1, 2.5,30,40", "parts": {"guidance": "proximal"}, "settings": {"quantile": "0.5"}}
    one = edit(**asked, upscaler="owner/upscaler")
    assert one.region == (1, 2.5, 30, 40) and one.settings == {"quantile": 0.5}
    assert FORMS.edit(form_of(one), b"picture") == one
    recipe = {"model": "diorama", "method": "plain as up × all × proximal", "target": "b", "region": [1, 2.5, 30, 40],
              "parts": {"inversion": "up", "control": "all", "guidance": "proximal"}, "parameters": {"quantile": 0.5},
              "upscaler": {"name": "owner/upscaler", "fingerprint": "1"}, "mask": "of the region"}  # fmt: skip
    form, notes = FORMS.of_recipe(recipe)
    assert notes == [] and FORMS.edit({**form, "source": "a red square"}, b"picture").parts == one.parts
    assert (form["region"], form["settings"], form["upscaler"]) == ("1,2.5,30,40", {"quantile": 0.5}, one.upscaler)


def test_other_parts_bring_their_own_settings_and_take_the_old_ones_away():
    shown = methods(ABOUT, "plain", None, {"guidance": "proximal"})
    assert 'data-setting="quantile"' in shown and 'data-setting="scale"' not in shown
    assert 'data-setting="num_inference_steps"' in shown and "proximal: a threshold" in shown
    still = FORMS.still({"method": "plain", "parts": {"guidance": "proximal"},
                         "settings": {"num_inference_steps": "7", "scale": "3"}})  # fmt: skip
    assert still == {"method": "plain", "parts": {"guidance": "proximal"}, "settings": {"num_inference_steps": 7}}
    assert "data-part" not in methods(ABOUT, "free")


def test_pictures_beside_go_to_methods_and_parts_that_take_them():
    given = {"foreground": b"f", "reference": b"r"}

    def taken(**more):
        one = FORMS.beside(edit(**more), given)
        return one.foreground, one.reference

    assert taken() == (None, None) == taken(method="auto")
    assert taken(method="fitted") == (b"f", b"r") and taken(parts={"control": "subject"}) == (b"f", None)
    assert "data-beside" not in methods(ABOUT, "plain") and methods(ABOUT, "fitted").count("data-beside=") == 2


def test_what_a_recipe_holds_that_is_not_here_is_said():
    recipe = {"model": "other", "method": "nowhere", "target": "b", "mask": "1234", "seed": "x", "keep": 3}
    form, notes = FORMS.of_recipe(recipe)
    assert form["method"] == "auto" and form["seed"] == 0 and form["keep"] == "auto"
    assert [word for word in ("seed", "nowhere", "other", "mask") if not any(word in note for note in notes)] == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from([*EMPTY, "negative_prompt", "parameters", "model", "mask", "foreground"])


@given(
    st.dictionaries(
        _NAMES, _JSON | st.dictionaries(st.sampled_from(["scale", "kind", "words", "control", "name"]), _JSON)
    )
)
def test_anybodys_recipe_gives_a_form_in_range(recipe):
    form, _ = FORMS.of_recipe(recipe)
    assert form.keys() == EMPTY.keys()
    FORMS.edit({**form, "source": "a cat", "target": "a dog"}, b"picture")


@given(st.dictionaries(_NAMES, _JSON))
def test_whatever_a_browser_sends_is_an_edit_or_a_sentence(form):
    try:
        FORMS.edit({**FORM, **form}, b"picture")
    except RetouchError as error:
        assert str(error)


def test_settings_are_controls_made_from_what_the_method_declares():
    shown = methods(ABOUT, "plain", {"scale": 3.0})
    assert 'data-setting="scale" data-usual="7.5"' in shown and 'value="3.0"' in shown
    assert '<option value="soft" selected>' in shown and "steps" in shown and "which &lt;words&gt;" in shown
    assert '<optgroup label="Slow">' in shown and "a &lt;b&gt; test" in shown
    assert "data-setting" not in methods(ABOUT)
