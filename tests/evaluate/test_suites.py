"""Suites: the public layouts as users have them, and one sentence for every way they can be wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from retouch.diorama.suite import DioramaSuite, verdicts
from retouch.errors import BadParameter, BadPicture
from retouch.evaluate.bench import preflight
from retouch.evaluate.suites.pie_bench import PieBench, decode_mask
from retouch.evaluate.suites.suite import BadSuite
from retouch.evaluate.suites.table import Table
from retouch.evaluate.suites.tedbench import TEdBench


def picture(path, size=(40, 30), colour="teal"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def tedbench(tmp_path):
    rows = [("bird.png", "A photo of a flying bird."), ("bird.jpeg", "A photo of a flying bird."), ("a.png", "A cup")]
    for name, _ in rows:
        picture(tmp_path / "originals" / name)
    table = [{"img_name": name, "target_text": text} for name, text in rows]
    (tmp_path / "input_list.json").write_text(json.dumps(table))
    return tmp_path


def test_tedbench_names_edits_as_the_published_outputs(tedbench):
    suite = TEdBench(tedbench)
    assert [entry.id for entry in suite.entries] == [
        "bird.png-A_photo_of_a_flying_bird", "bird.jpeg-A_photo_of_a_flying_bird", "a.png-A_cup",
    ]  # fmt: skip
    assert suite.entries[0].target == "A photo of a flying bird." and suite.entries[0].source is None
    case = suite.case(suite.entries[2])
    assert case.picture.size == (40, 30) and case.mask is None and not suite.missing()


def test_a_suite_that_lacks_files_lists_them(tedbench):
    (tedbench / "originals" / "a.png").unlink()
    (tedbench / "originals" / "bird.png").write_bytes(b"no picture")
    suite = TEdBench(tedbench)
    assert suite.missing() == {"a.png-A_cup": [tedbench / "originals" / "a.png"]}
    wrong = preflight(suite, suite.entries)
    assert list(wrong) == ["bird.png-A_photo_of_a_flying_bird", "a.png-A_cup"]
    assert "there is no file" in wrong["a.png-A_cup"] and "bird.png" in wrong["bird.png-A_photo_of_a_flying_bird"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "input_list.json' cannot be read"),
        ("nonsense", "input_list.json' cannot be read"),
        ('[{"name": "a"}]', "is not a list"),
        ("[]", "holds no edits"),
        ('[{"img_name": "a", "target_text": "b"}, {"img_name": "a", "target_text": "b."}]', "'a-b' more than once"),
    ],
)
def test_a_wrong_tedbench_is_one_sentence(tmp_path, text, says):
    if text is not None:
        (tmp_path / "input_list.json").write_text(text)
    with pytest.raises(BadSuite, match=says):
        TEdBench(tmp_path)
    with pytest.raises(BadSuite, match="there is no folder"):
        TEdBench(tmp_path / "elsewhere")


def pie_row(**changes):
    row = {
        "image_path": "1_change/a.jpg", "original_prompt": "a [red] cup", "editing_prompt": "a [blue]  cup",
        "editing_instruction": "make it blue", "editing_type_id": "6", "blended_word": "red blue", "mask": [513, 2],
    }  # fmt: skip
    return {**row, **changes}


def test_pie_bench_is_read_as_published(tmp_path):
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": pie_row(), "001": pie_row(image_path="b.png")}))
    picture(tmp_path / "annotation_images" / "1_change" / "a.jpg", (512, 512))
    picture(tmp_path / "annotation_images" / "b.png", (256, 256))
    suite = PieBench(tmp_path)
    entry = suite.entries[0]
    assert (entry.id, entry.kind, entry.source, entry.target) == ("000", "change colour", "a red cup", "a blue cup")
    assert entry.about == {"instruction": "make it blue", "blended_word": "red blue"}
    assert entry.settings == {"blend_words": "red blue", "reweight": "blue=2"}
    mask = np.asarray(suite.case(entry).mask)
    assert mask[1, 1] == mask[1, 2] == 255 and mask[1, 3] == mask[2, 2] == 0
    with pytest.raises(BadPicture, match="is 256 x 256"):
        suite.case(suite.entries[1])


def test_pie_bench_masks_are_cut_at_the_end():
    mask = decode_mask([512 * 512 - 3, 100, 5 * 512 + 7, 1])
    assert mask.shape == (512, 512) and mask[5, 7] == 1 and mask[5, 8] == 0
    assert mask[-1, -3:].all() and mask.sum() == 4
    with pytest.raises(ValueError):
        decode_mask([1, 2, 3])


WITHOUT_MASK = json.dumps({"0": {key: value for key, value in pie_row().items() if key != "mask"}})


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"0": {}}', "no JSON", WITHOUT_MASK, '{"0": {"image_path": "a", "editing_type_id": "10"}}']
)
def test_a_wrong_pie_bench_is_one_sentence(tmp_path, text):
    (tmp_path / "mapping_file.json").write_text(text)
    with pytest.raises(BadSuite, match="mapping_file"):
        PieBench(tmp_path)


TABLES = {
    "edits.csv": 'picture,source,target,mask,kind\na.png,"a cup, red",a blue cup,m.png,colour\nb.png,,a jug,,\n',
    "edits.jsonl": '{"picture": "a.png", "source": "a cup, red", "target": "a blue cup", "mask": "m.png", '
    '"kind": "colour"}\n\n{"picture": "b.png", "target": "a jug"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_users_own(tmp_path, name):
    for path in ("a.png", "b.png"):
        picture(tmp_path / path)
    picture(tmp_path / "m.png", colour="white")
    (tmp_path / name).write_text(TABLES[name])
    for suite in (Table(tmp_path), Table(tmp_path / name)):
        first, second = suite.entries
        assert (first.source, first.target, first.kind) == ("a cup, red", "a blue cup", "colour")
        assert (second.source, second.kind) == (None, "all") and second.id.endswith("-b")
        assert suite.case(first).mask.getpixel((3, 3)) == 255 and suite.case(second).mask is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "picture,source\na.png,x\n", "line 2 of .*a.csv' has no target"),
        ("a.csv", "", "holds no edits"),
        ("a.csv", "id,picture,target\nx,a.png,y\nx,a.png,z\n", "'x' more than once"),
        ("a.jsonl", '{"picture": "a.png", "target": "x"}\n{"picture"\n', "line 2 of .* is not a JSON object"),
        ("a.jsonl", "[1]\n", "line 1 of .* is not a JSON object"),
        ("a.jsonl", '{"picture": ["a.png"], "target": "x"}\n', "picture is .*, expected text"),
        ("a.txt", "", "should hold one table"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSuite, match=says):
        Table(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "m.png", (30, 40), "white")
    (tmp_path / "edits.csv").write_text("picture,target,mask\na.png,x,m.png\n")
    suite = Table(tmp_path)
    with pytest.raises(BadSuite, match="is 30 x 40 and its picture is 40 x 30"):
        suite.case(suite.entries[0])


def test_diorama_knows_the_right_answers():
    suite = DioramaSuite(count=2)
    cases = [suite.case(entry) for entry in suite.entries]
    seen = verdicts([case.truth for case in cases], [entry.about for entry in suite.entries])
    assert seen["both"] == [1.0] * len(cases)
    undone = verdicts([case.picture for case in cases], [entry.about for entry in suite.entries])
    assert undone["asked"] == [0.0] * len(cases) and undone["kept"] == [1.0] * len(cases)
    for case in cases:
        outside = np.asarray(case.mask) == 0
        assert np.abs(np.asarray(case.picture, int) - np.asarray(case.truth, int))[outside].max(initial=0) <= 6
    with pytest.raises(BadParameter, match="no edit kind 'mood'"):
        DioramaSuite(["mood"])
    with pytest.raises(BadParameter, match="at least 1"):
        DioramaSuite(count=0)
