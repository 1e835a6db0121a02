"""What the page is told of methods: all of them, with their groups, and no parameter that names something to load."""

import re

from retouch.app.about import about, mixed
from retouch.app.panels import methods as panel
from retouch.auto.kind import Auto
from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.backbone.recommended import read_recommended
from retouch.errors import RetouchError
from retouch.methods.registry import method_type, methods
from retouch.parameters import parameters_of

ABOUT = about("diorama", read_recommended(EMBEDDED_FOLDER))


def test_every_method_is_offered_in_a_group_with_a_line_of_advice():
    assert set(ABOUT.methods) == set(methods())
    assert all(one.advice and one.group for one in ABOUT.methods.values())
    assert list(ABOUT.groups())[-1].startswith("Fitted") and "imagic" in {
        one.name for one in ABOUT.groups()[list(ABOUT.groups())[-1]]
    }


def test_nothing_that_names_a_model_is_among_the_settings():
    for name, kind in [*methods().items(), ("auto", Auto)]:
        for one in parameters_of(kind):
            names = one.kind == "text" and bool(re.search(r"hub name|folder", one.help))
            assert one.loads == names, f"{name}: {one.name}"
    offered = {one.name for method in ABOUT.methods.values() for one in method.parameters}
    assert "guidance_scale" in offered and not offered & {"clip", "segmenter"}


def test_the_defaults_are_those_that_hold_for_the_model():
    steps = next(one for one in ABOUT.methods["ddim"].parameters if one.name == "num_inference_steps")
    assert steps.default == read_recommended(EMBEDDED_FOLDER).settings["ddim"]["num_inference_steps"] != 50


def test_every_methods_settings_become_controls():
    for name, one in ABOUT.methods.items():
        assert panel(ABOUT, name).count("data-setting=") == len(one.parameters) > 0


def test_methods_and_parts_say_which_pictures_they_take_and_what_they_declare():
    assert ABOUT.methods["masactrl"].takes == ("foreground",)
    assert ABOUT.methods["layer-diffusion"].takes == ("foreground", "reference") and not ABOUT.methods["imagic"].parts
    for name, one in ABOUT.methods.items():
        for axis in one.parts:
            for part in ABOUT.parts[axis]:
                kind = type_or_none(name, axis, part)
                if kind is not None:
                    now = mixed(ABOUT, one, {axis: part})
                    declared = {p.name for p in parameters_of(kind) if not p.loads}
                    assert {p.name for p in now.parameters} == declared, f"{name} with the {axis} {part}"
                    assert ("foreground" in now.takes) == kind.takes_foreground


def type_or_none(name, axis, part):
    """The method with another part; None where the two make no sense together."""
    try:
        return method_type(name, **{axis: part})
    except RetouchError:
        return None


def test_another_model_has_neither_scenes_nor_captions():
    other = about("owner/model", read_recommended(EMBEDDED_FOLDER / "nowhere"))
    assert not (other.scenes or other.captions or other.clicks)
