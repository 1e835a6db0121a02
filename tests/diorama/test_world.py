"""The painted world: scenes, pictures, captions and edit pairs keep their promises."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retouch.diorama.captions import KNOWN_WORDS, caption, nearest_known, parse, scene_for
from retouch.diorama.painter import paint, paint_array
from retouch.diorama.pairs import KINDS, asked_and_kept, edit_pair
from retouch.diorama.scene import CHOICES, SUBJECTS, TRAINING_SEEDS_FROM, Scene, attributes, has, random_scene
from retouch.errors import BadParameter, BadPrompt

seeds = st.integers(0, TRAINING_SEEDS_FROM + 10**6)


@given(seeds)
def test_a_scene_is_drawn_from_its_seed_alone(seed):
    assert random_scene(seed) == random_scene(seed)


@given(seeds)
def test_captions_say_what_the_scene_is(seed):
    scene = random_scene(seed)
    said = parse(caption(scene))
    assert said.unknown == ()
    shown = {name: value for name, value in attributes(scene).items() if value != "none" and name != "direction"}
    assert said.parts == shown


@given(seeds, st.randoms(use_true_random=False))
def test_caption_variations_never_lie(seed, rng):
    scene = random_scene(seed)
    said = parse(caption(scene, rng))
    assert said.unknown == ()
    assert said.parts["subject"] == scene.subject
    assert all(getattr(scene, name) == value for name, value in said.parts.items())


@given(seeds)
def test_a_caption_paints_a_scene_that_it_describes(seed):
    scene = random_scene(seed)
    again = scene_for(caption(scene), seed)
    assert {**attributes(again), "direction": ""} == {**attributes(scene), "direction": ""}


@settings(max_examples=40)
@given(seeds)
def test_the_mask_covers_the_subject(seed):
    """Recolouring changes only pixels under the mask or at its soft rim."""
    scene = random_scene(seed, style="photo")
    other = scene.replace(colour="red" if scene.colour != "red" else "blue")
    picture, mask = paint_array(scene)
    changed = np.abs(picture.astype(int) - paint_array(other)[0]).max(2) > 2
    assert changed.any()
    assert not (changed & (mask == 0)).any()
    assert 0.02 < (mask > 127).mean() < 0.6


def test_pictures_are_the_same_in_another_process():
    script = (
        "import hashlib; from retouch.diorama.scene import random_scene\n"
        "from retouch.diorama.painter import paint_array\n"
        "print(hashlib.sha256(b''.join(paint_array(random_scene(s))[0].tobytes() for s in range(12))).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    here = hashlib.sha256(b"".join(paint_array(random_scene(s))[0].tobytes() for s in range(12))).hexdigest()
    assert here == there


def test_pictures_have_the_documented_size_and_mode():
    picture, mask = paint(random_scene(1))
    assert (picture.size, picture.mode, mask.size, mask.mode) == ((128, 128), "RGB", (128, 128), "L")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_can_be_painted_in_every_way(subject):
    for attribute, values in CHOICES.items():
        if has(attribute, subject):
            pictures = {
                paint_array(random_scene(5, subject=subject, **{attribute: v}))[0].tobytes()
                for v in values
                if attribute != "subject"
            }
            assert attribute == "subject" or len(pictures) == len(values), f"{attribute} of a {subject} does not show"


def test_position_and_size_move_the_subject():
    scene = random_scene(4, subject="ball")
    small, large = (paint_array(scene.replace(size=s))[1].sum() for s in (0.9, 1.1))
    left, right = (
        np.average(np.arange(128), weights=paint_array(scene.replace(position=p))[1].sum(0)) for p in (0.42, 0.58)
    )
    assert large > 1.2 * small
    assert right - left == pytest.approx(0.16 * 128, abs=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_pairs_differ_in_what_is_asked_and_agree_outside_the_mask(kind, seed):
    pair = edit_pair(kind, seed)
    asked, kept = asked_and_kept(pair)
    wanted = kind.removeprefix("remove ").split(" and ")
    assert list(asked) == wanted or ("subject" in wanted and set(wanted) <= set(asked))
    assert not set(asked) & set(kept)
    assert pair.source.seed == pair.target.seed
    assert pair.source_prompt != pair.target_prompt
    outside = np.asarray(pair.mask) == 0
    before, after = (np.asarray(p, int)[outside] for p in (pair.picture, pair.truth))
    assert before.size == 0 or np.abs(before - after).max() <= 6
    assert (np.asarray(pair.mask) > 0).any()


def test_a_pair_of_an_unknown_kind_is_refused():
    with pytest.raises(BadParameter, match="smell"):
        edit_pair("smell", 0)


def test_unknown_words_are_named_with_their_nearest():
    said = parse("a photo of a red catt sitting on a beach with a laptop")
    assert said.unknown == ("catt", "laptop")
    assert said.parts["colour"] == "red"
    assert "cat" in nearest_known("catt")
    assert set(nearest_known("laptop")) <= set(KNOWN_WORDS)


@pytest.mark.parametrize(
    ("text", "named"),
    [("a red beach", "names nothing"), ("a sitting car", "pose"), ("", "names nothing"), ("a round cat", "variant")],
)
def test_captions_that_cannot_be_painted_are_refused(text, named):
    with pytest.raises(BadPrompt, match=named):
        scene_for(text, 0)


@pytest.mark.parametrize(
    "wrong", [{"colour": "mauve"}, {"position": 0.1}, {"size": 3.0}, {"seed": -1}, {"pose": None}, {"variant": "round"}]
)
def test_impossible_scenes_are_refused(wrong):
    good = {"subject": "cat", "colour": "red", "pose": "sitting", "place": "beach", "direction": "left"}
    Scene(**good)
    with pytest.raises(BadParameter, match=next(iter(wrong))):
        Scene(**{**good, **wrong})


def test_the_world_is_imported_from_one_place():
    from retouch import diorama

    scene = diorama.Scene(subject="cat", colour="red", pose="sitting", place="beach")
    assert (scene.direction, scene.variant) == ("right", None)
    assert diorama.Scene(subject="cake", colour="red", pose=None, place="beach").variant == "round"
    picture, mask = diorama.paint(scene)
    assert picture.size == mask.size and diorama.parse(diorama.caption(scene)).parts["subject"] == "cat"
    assert diorama.edit_pair("colour", 1).source.colour != diorama.edit_pair("colour", 1).target.colour
    assert all(hasattr(diorama, name) for name in diorama.__all__)
