"""The editor's choice of a method, from Python: verified, said, refused in time, and kept in the recipe."""

import json

import pytest
from PIL import Image

from retouch import Editor
from retouch.auto.verify import ClipVerifier
from retouch.backbone.clip import Clip
from retouch.backbone.recommended import Recommended
from retouch.backbone.rungs import Calibration, Ladder
from retouch.diorama.painter import paint
from retouch.diorama.pairs import edit_pair
from retouch.errors import BadModel, BadParameter, BadPicture, BadPrompt
from tests.tiny import save_tiny

PICTURE = Image.new("RGB", (20, 14), "red")
CAT = {"source": "a red cat", "target": "a blue cat"}
SHORT = {"num_inference_steps": 2}


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor.from_pretrained(save_tiny(tmp_path_factory.mktemp("models") / "m"), device="cpu")


@pytest.fixture(scope="module")
def diorama():
    return Editor.from_pretrained("diorama", device="cpu")


@pytest.fixture
def strict(editor, monkeypatch):
    """A model that recommends a CLIP model which is never content."""
    ladder = Ladder(clip="diorama", calibration=Calibration(asked=99))
    monkeypatch.setattr(editor.model, "recommended", Recommended(ladder=ladder))
    return editor


def again(editor, picture, recipe, **given):
    return editor.edit(
        picture, source=recipe["source"], target=recipe["target"], method=recipe["method"], seed=recipe["seed"],
        **recipe["parameters"], **given,
    )  # fmt: skip


def test_without_a_clip_model_the_kind_of_change_decides_and_a_note_says_so(editor):
    result = editor.edit(PICTURE, source="a cat on a beach", target="a cat in the snow", **SHORT)
    assert result.recipe["method"] == "plug-and-play" and len(result.recipe["auto"]["tried"]) == 1
    assert any("the place changes" in note and "--clip" in note for note in result.notes)
    assert result.recipe["auto"]["clip"] is None
    assert editor.edit(PICTURE, **CAT, method="auto", **SHORT).recipe["method"] == "prox-npi"


def test_what_was_tried_is_kept_and_said(strict):
    result = strict.edit(PICTURE, **CAT, **SHORT)
    about = json.loads(json.dumps(result.recipe["auto"]))
    assert [one["method"] for one in about["tried"]] == ["prox-npi", "negative-prompt", "edit-friendly"]
    assert about["clip"]["name"] == "diorama" and about["clip"]["fingerprint"]
    taken = about["tried"][about["taken"]]
    assert taken["method"] == result.recipe["method"] and not taken["verified"]
    assert result.evaluations == sum(one["evaluations"] for one in about["tried"])
    assert any("could not verify" in note and "edit-friendly" in note for note in result.notes)


@pytest.mark.parametrize("given", [{}, {"mask": Image.new("L", (20, 14), 128)}, {"seed": 5}])
def test_the_recipe_gives_its_picture_back(strict, given):
    result = strict.edit(PICTURE, **CAT, **SHORT, **given)
    assert len(result.recipe["auto"]["tried"]) == 3
    repeated = again(strict, PICTURE, result.recipe, **({"mask": given["mask"]} if "mask" in given else {}))
    assert repeated.image.tobytes() == result.image.tobytes()
    assert {k: v for k, v in result.recipe.items() if k != "auto"} == repeated.recipe


def test_equal_prompts_leave_nothing_to_verify(editor):
    result = editor.edit(PICTURE, source="a cat", target="a cat", clip="diorama", **SHORT)
    assert len(result.recipe["auto"]["tried"]) == 1
    assert any("say the same" in note for note in result.notes) and not any("auto" in note for note in result.notes)


def test_weights_in_the_prompt_go_to_a_method_that_weighs(strict):
    result = strict.edit(PICTURE, source="a red cat", target="a (blue:1.5) cat", **SHORT)
    assert {one["method"] for one in result.recipe["auto"]["tried"]} == {"prox-npi", "negative-prompt"}
    assert result.recipe["parameters"]["reweight"] == "blue=1.5"


def test_parts_without_a_method_are_prox_npi_s(editor):
    result = editor.edit(PICTURE, **CAT, guidance="classifier-free", **SHORT)
    assert result.recipe["method"].startswith("prox-npi") and "auto" not in result.recipe


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"clip": "no/such-model"}, BadModel, "'no/such-model' could not be loaded"),
        ({"clip": 5}, BadParameter, "clip is 5, expected a CLIP model"),
        ({"method": "auto", "inversion": "ddim"}, BadParameter, "leave inversion out"),
        ({"method": "ddim", "clip": "diorama"}, BadParameter, "ddim has no parameter 'clip'"),
        ({"budget": 5}, BadParameter, "budget has no effect"),
        ({"reference": PICTURE}, BadParameter, "reference has no effect"),
        ({"source": None}, BadPrompt, "auto needs to know what the picture shows"),
        ({"target": " "}, BadPrompt, "target prompt is empty"),
        ({"image": "no-such.png"}, BadPicture, "no-such.png"),
        ({"clip": "diorama", "image": "no-such.png"}, BadPicture, "no-such.png"),
        ({"mask": "no-such.png"}, BadPicture, "no-such.png"),
        ({"zebra": 1}, BadParameter, "has a parameter 'zebra'"),
        ({"seed": -1}, BadParameter, "seed is -1"),
        ({"method": "auto", "fit": object()}, BadParameter, "fit"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(editor, given, error, says):
    before = editor.model.evaluations
    with pytest.raises(Exception, match=says) as raised:
        editor.edit(**{"image": PICTURE, **CAT, **given})
    assert isinstance(raised.value, error) or "fit" in given
    assert editor.model.evaluations == before


def test_candidates_are_the_best_of_what_is_tried(strict):
    found = strict.candidates(PICTURE, 4, **CAT, **SHORT)
    assert len(found) == 4 and len({one.image.tobytes() for one in found}) > 1
    tried = found[0].recipe["auto"]["tried"]
    assert [tried[one.recipe["auto"]["taken"]]["evaluations"] for one in found] == [one.evaluations for one in found]
    assert again(strict, PICTURE, found[3].recipe).image.tobytes() == found[3].image.tobytes()


@pytest.mark.parametrize("count", [0, 17, 2.5, True, "3"])
def test_candidates_are_1_to_16(editor, count):
    with pytest.raises(BadParameter, match=r"candidates is .*, expected a whole number in 1\.\.16"):
        editor.candidates(PICTURE, count, **CAT)


def test_clip_tells_true_edits_from_untouched_and_from_half_done_ones(diorama):
    clip, calibration = Clip("diorama"), diorama.model.recommended.ladder.calibration
    pair = edit_pair("subject and place", 500)
    verify = ClipVerifier(clip, calibration, pair.picture, pair.source_prompt, pair.target_prompt)
    assert verify(pair.truth).passed
    assert verify(pair.picture).short and verify(pair.picture).gained == pytest.approx(0, abs=1e-4)
    half = pair.source.replace(subject=pair.target.subject)
    assert not verify(paint(half)[0]).passed


def test_clip_sees_what_was_not_to_change(diorama):
    clip, calibration = Clip("diorama"), diorama.model.recommended.ladder.calibration
    pair = edit_pair("colour", 501)
    verify = ClipVerifier(clip, calibration, pair.picture, pair.source_prompt, pair.target_prompt)
    assert verify(pair.truth).passed
    assert verify(paint(pair.target.replace(subject="giraffe"))[0]).short == "kept"
    assert ClipVerifier(clip, Calibration(), pair.picture, "a red cat", "a blue cat")(pair.truth).kept is None


def test_of_a_part_of_a_picture_clip_sees_that_part(diorama):
    pair = edit_pair("colour", 501)
    calibration, prompts = diorama.model.recommended.ladder.calibration, (pair.source_prompt, pair.target_prompt)
    around = Image.new("RGB", (512, 384), "white")
    around.paste(pair.truth, (300, 50))
    part = ClipVerifier(Clip("diorama"), calibration, pair.picture, *prompts, box=(300, 50, 428, 178))(around)
    assert part == ClipVerifier(Clip("diorama"), calibration, pair.picture, *prompts)(pair.truth)


def test_a_small_mask_in_a_large_picture_is_verified_in_its_surroundings(strict):
    mask = Image.new("L", (200, 120), 0)
    mask.paste(255, (150, 80, 156, 86))
    result = strict.edit(Image.new("RGB", (200, 120), "red"), **CAT, **SHORT, mask=mask)
    assert len(result.recipe["auto"]["tried"]) == 3 and result.untouched > 0.9
    assert sum("are edited, at the model's own size" in note for note in result.notes) == 1


@pytest.mark.slow
def test_an_edit_that_the_first_rung_does_costs_no_more_than_that(diorama):
    pair = edit_pair("pose", 500)
    result = diorama.edit(pair.picture, source=pair.source_prompt, target=pair.target_prompt)
    assert [one["verified"] for one in result.recipe["auto"]["tried"]] == [True]
    assert any(note.startswith("auto took edit-friendly") and "verified" in note for note in result.notes)


@pytest.mark.slow
def test_an_edit_that_the_first_rung_fails_is_mended_by_the_next(diorama):
    pair = edit_pair("place", 502)
    result = diorama.edit(pair.picture, source=pair.source_prompt, target=pair.target_prompt)
    tried = result.recipe["auto"]["tried"]
    assert len(tried) == 2 and [one["verified"] for one in tried] == [False, True]
    assert again(diorama, pair.picture, result.recipe).image.tobytes() == result.image.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["accessory", "subject"])
def test_what_a_milder_edit_does_is_not_done_by_a_stronger(diorama, kind):
    pair = edit_pair(kind, 300)
    result = diorama.edit(pair.picture, source=pair.source_prompt, target=pair.target_prompt)
    assert [one["settings"]["skip"] for one in result.recipe["auto"]["tried"]] == [0.4]
    stronger = diorama.edit(
        pair.picture, source=pair.source_prompt, target=pair.target_prompt, method="edit-friendly", skip=0.1
    )
    assert result.untouched > stronger.untouched and result.evaluations < stronger.evaluations
