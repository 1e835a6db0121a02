"""MagicBrush as it is published: turns one by one, sessions in a row, one sentence for what is not of its layout."""

import json

import numpy as np
import pytest
from PIL import Image

from retouch.picture import summed
from retouch.runs.outputs import find_outputs
from retouch.suites.magic_brush import MagicBrush
from retouch.suites.preflight import preflight
from retouch.suites.suite import BadSuite, chains_of

SIZE = (40, 30)


def turn(number, i):
    source = f"{number}-input.png" if i == 1 else f"{number}-output{i - 1}.png"
    return {"input": source, "mask": f"{number}-mask{i}.png", "output": f"{number}-output{i}.png",
            "instruction": f"do {i}"}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A session of two turns and one of one; the hole of turn i is column i."""
    sessions = {"100": [turn("100", 1), turn("100", 2)], "7": [turn("7", 1)]}
    told = {}
    for number, turns in sessions.items():
        place = tmp_path / "images" / number
        place.mkdir(parents=True)
        names = [turns[0]["input"], *(one["output"] for one in turns)]
        told[number] = {name: f"what {name} shows" for name in names}
        for i, name in enumerate(names):
            Image.new("RGB", SIZE, (60 * i, 100, 100)).save(place / name)
        for i, one in enumerate(turns, 1):
            holed = np.random.default_rng(i).integers(0, 255, (SIZE[1], SIZE[0], 4), np.uint8)
            holed[..., 3] = 255
            holed[:, i, 3] = 0
            Image.fromarray(holed).save(place / one["mask"])
    (tmp_path / "edit_sessions.json").write_text(json.dumps(sessions))
    (tmp_path / "global_descriptions.json").write_text(json.dumps(told))
    return tmp_path


def test_what_is_done_to_pictures_on_the_way_in_is_told_and_not_that_masks_have_holes(folder):
    for name in ("100-input.png", "100-output1.png"):
        Image.new("RGBA", SIZE, (9, 9, 9, 40)).save(folder / "images" / "100" / name)
    suite, notes = MagicBrush(folder), []
    assert not preflight(suite, suite.entries, notes)
    place = folder / "images" / "100" / "100-input.png"
    assert summed(notes) == [f"{place}: transparent parts were put onto white (and so it is with 1 more file)."]


def columns(case):
    """Where the mask is white."""
    return sorted(set(np.nonzero(np.asarray(case.mask))[1].tolist()))


def test_a_turn_by_itself_is_made_of_the_picture_that_people_had(folder):
    suite = MagicBrush(folder)
    assert [entry.id for entry in suite.entries] == ["100_1", "100_inde_2", "7_1"]
    second = suite.entries[1]
    assert (second.source, second.target) == ("what 100-output1.png shows", "what 100-output2.png shows")
    assert second.about == {"instruction": "do 2"} and second.kind == "edit 2" and not second.chain
    case = suite.case(second)
    assert case.picture.getpixel((0, 0)) == (60, 100, 100) and case.truth.getpixel((0, 0)) == (120, 100, 100)
    assert columns(case) == [2] and not preflight(suite, suite.entries)


def test_a_session_is_edits_in_a_row_of_its_first_picture_with_all_its_masks(folder):
    suite = MagicBrush(folder, turns="multi")
    assert [[entry.id for entry in chain] for chain in chains_of(suite.entries)] == [["100_1", "100_iter_2"], ["7_1"]]
    case = suite.case(suite.entries[1])
    assert case.picture.getpixel((0, 0)) == (0, 100, 100) and columns(case) == [1, 2]
    assert case.truth.getpixel((0, 0)) == (120, 100, 100)
    assert suite.identity != MagicBrush(folder).identity


def test_the_distance_to_peoples_answer_is_the_published_one(folder):
    suite = MagicBrush(folder)
    cases = [suite.case(entry) for entry in suite.entries[:2]]
    found = suite.judge(cases, [cases[0].truth, Image.new("RGB", (20, 15), (171, 100, 100))])
    assert found["l1"] == pytest.approx([0, 51 / 255 / 3]) and found["l2"] == pytest.approx([0, 0.04 / 3])
    assert [one.better for one in suite.verdicts] == ["lower", "lower"]


def test_published_outputs_lie_in_a_folder_for_each_session(folder, tmp_path):
    outputs = tmp_path / "outputs"
    for place in ("100/100_1.png", "100/100_inde_2.png", "7/7_1.png", "7/7_1.txt"):
        (outputs / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE).save(outputs / place, "PNG")
    found = find_outputs(MagicBrush(folder), outputs)
    assert found["100_inde_2"] == outputs / "100" / "100_inde_2.png" and set(found) == {"100_1", "100_inde_2", "7_1"}


def test_what_is_not_of_that_layout_is_one_sentence(folder):
    for name, text, says in (
        ("edit_sessions.json", "[]", "is not MagicBrush's"),
        ("edit_sessions.json", "{}", "holds no edits"),
        ("edit_sessions.json", '{"7": [{"input": "a"}]}', "turn 1 of '7' in .* is .*, expected input, mask, output"),
        ("global_descriptions.json", "{}", "turn 1 of '100' .* does not say what '100-input.png' shows"),
        ("global_descriptions.json", "[", "global_descriptions.json' cannot be read"),
    ):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        with pytest.raises(BadSuite, match=says):
            MagicBrush(folder)
        (folder / name).write_text(before)
    mask = folder / "images" / "7" / "7-mask1.png"
    Image.open(mask).convert("RGB").save(mask)
    with pytest.raises(BadSuite, match=r"7-mask1\.png' has no transparent part"):
        (suite := MagicBrush(folder)).case(suite.entries[2])
    mask.unlink()
    suite = MagicBrush(folder)
    assert list(preflight(suite, suite.entries)) == ["7_1"]
