"""Suites: the public layouts as users have them, and one sentence for every way they can be wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from retouch.diorama.suite import DioramaSuite
from retouch.errors import BadParameter, BadPicture
from retouch.methods.registry import method_named
from retouch.runs.manifest import Manifest
from retouch.runs.run import Run
from retouch.runs.variants import read_variants, suited
from retouch.suites.pie_bench import PieBench, decode_mask
from retouch.suites.preflight import preflight
from retouch.suites.suite import BadSuite, share_of
from retouch.suites.table import Table
from retouch.suites.tedbench import TEdBench

pytestmark = pytest.mark.slow


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
        ('[{"name": "a"}]', "is not a list .* number 1 of it is {'name': 'a'}"),
        ('[{"img_name": "a", "target_text": null}]', "is not a list .* number 1 of it"),
        ('{"img_name": "a"}', "is not a list"),
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


def test_blended_words_that_are_not_in_the_prompts_are_named_once_with_their_count(tmp_path):
    rows = {name: pie_row(blended_word=words) for name, words in (
        ("000", "red blue"), ("001", "zebra giraffe"), ("002", ""), ("003", "red"),
    )}  # fmt: skip
    (tmp_path / "mapping_file.json").write_text(json.dumps(rows))
    [sentence] = PieBench(tmp_path).settings_notes
    assert sentence.startswith("of 2 of 4 edits the blended words are not in the prompts")
    assert sentence.endswith("nothing is blended there: '001' ('zebra giraffe'), '003' ('red').")
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": rows["000"], "002": rows["002"]}))
    assert not PieBench(tmp_path).settings_notes


def test_pie_bench_is_read_as_published(tmp_path):
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": pie_row(), "001": pie_row(image_path="b.png")}))
    picture(tmp_path / "annotation_images" / "1_change" / "a.jpg", (512, 512))
    picture(tmp_path / "annotation_images" / "b.png", (256, 256))
    suite = PieBench(tmp_path)
    entry = suite.entries[0]
    assert (entry.id, entry.kind, entry.source, entry.target) == ("000", "change colour", "a red cup", "a blue cup")
    assert entry.about == {"instruction": "make it blue", "blended_word": "red blue"}
    assert entry.settings == {"blend_words": "red blue", "reweight": "blue=2"}
    assert not suite.case(entry).notes
    Image.new("L", (512, 512)).convert("CMYK").save(tmp_path / "annotation_images" / "1_change" / "a.jpg")
    assert ["CMYK" in note.sentence for note in suite.case(entry).notes] == [True]
    mask = np.asarray(suite.case(entry).mask)
    assert mask[1, 1] == mask[1, 2] == 255 and mask[1, 3] == mask[2, 2] == 0
    with pytest.raises(BadPicture, match="is 256 x 256"):
        suite.case(suite.entries[1])


def test_pie_benchs_row_of_prox_npi_has_the_published_settings(tmp_path):
    """Prompt-to-Prompt refined at 0.4 and 0.6, maps up to 32², half of the target's own |Δ|, and neither guidance."""
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": pie_row()}))
    suite = PieBench(tmp_path)
    asked = suited(read_variants(["prox-npi"])["prox-npi"], suite, suite.entries[0])
    method = method_named("prox-npi", asked.settings)
    assert (method.quantile, method.threshold) == (0.5, None)
    assert method.inversion_guidance == method.reconstruction_guidance == 0
    assert (method.aligner, method.cross_replace_steps, method.self_replace_steps) == ("refine", 0.4, 0.6)
    assert (method.self_replace_downsampling, method.guidance_scale, method.num_inference_steps) == (2, 7.5, 50)
    assert (method.blend_words, method.reweight) == ("red blue", "blue=2")


def without(row, *keys):
    return {key: value for key, value in row.items() if key not in keys}


def test_a_table_of_that_layout_needs_no_masks_and_no_kinds(tmp_path):
    """As DNA-Bench's: pictures may then have any size, and nothing is told of what is outside a mask."""
    rows = {"0": without(pie_row(), "mask"), "1": without(pie_row(image_path="b.png"), "mask", "editing_type_id")}
    (tmp_path / "mapping_file.json").write_text(json.dumps(rows))
    picture(tmp_path / "annotation_images" / "1_change" / "a.jpg", (512, 512))
    picture(tmp_path / "annotation_images" / "b.png", (256, 300))
    suite = PieBench(tmp_path)
    assert [entry.kind for entry in suite.entries] == ["change colour", "all"] and not preflight(suite, suite.entries)
    cases = [suite.case(entry) for entry in suite.entries]
    assert [case.mask for case in cases] == [None, None] and cases[1].picture.size == (256, 300)


def test_the_fields_of_pie_bench_plus_plus_are_those_of_pie_bench(tmp_path):
    row = {
        "image_path": "6_change_attribute_color_40/a.jpg",
        "source_prompt": "a [red] cup", "target_prompt": "a [blue] cup",
        "edit_action": "{'blue': {'position': 1}}", "aspect_mapping": "{'blue': []}", "blended_words": '["red,blue"]',
        "mask": "513 2",
    }  # fmt: skip
    (tmp_path / "mapping_file.json").write_text(json.dumps({"a": row}))
    picture(tmp_path / "annotation_images" / row["image_path"], (512, 512))
    suite = PieBench(tmp_path)
    entry = suite.entries[0]
    assert (entry.kind, entry.source, entry.target) == ("change colour", "a red cup", "a blue cup")
    assert entry.settings == {"blend_words": "red blue", "reweight": "blue=2"}
    assert entry.about["edit_action"] == row["edit_action"] and entry.about["aspect_mapping"] == "{'blue': []}"
    assert np.flatnonzero(np.asarray(suite.case(entry).mask)).tolist() == [513, 514]
    json.dumps(entry.about)


def test_pie_bench_plus_plus_is_read_from_its_parquet_files(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for kind, names in (("6_change_attribute_color_40", ("10", "11")), ("9_change_style_80", ("12",))):
        rows = []
        for name in names:
            picture(tmp_path / "one.png", (512, 512), (int(name), 0, 0))
            rows.append({
                "image": {"bytes": (tmp_path / "one.png").read_bytes(), "path": f"{name}.png"}, "id": name,
                "source_prompt": "a [red] cup", "target_prompt": "a [blue] cup", "edit_action": "{}",
                "aspect_mapping": "{}", "blended_words": '["red,blue"]', "mask": "513 2",
            })  # fmt: skip
        (tmp_path / kind).mkdir()
        parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / kind / "V1-00000-of-00001.parquet")
    suite = PieBench(tmp_path)
    assert [(entry.id, entry.kind) for entry in suite.entries] == [
        ("10", "change colour"), ("11", "change colour"), ("12", "change style"),
    ]  # fmt: skip
    cases = [suite.case(entry) for entry in suite.entries]
    assert [case.picture.getpixel((0, 0)) for case in cases] == [(10, 0, 0), (11, 0, 0), (12, 0, 0)]
    assert np.asarray(cases[2].mask).sum() == 2 * 255 and not preflight(suite, suite.entries)
    (tmp_path / "9_change_style_80" / "V1-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadSuite, match=r"V1-00000-of-00001\.parquet' cannot be read"):
        PieBench(tmp_path)


def test_pie_bench_masks_are_cut_at_the_end():
    mask = decode_mask([512 * 512 - 3, 100, 5 * 512 + 7, 1])
    assert mask.shape == (512, 512) and mask[5, 7] == 1 and mask[5, 8] == 0
    assert mask[-1, -3:].all() and mask.sum() == 4
    with pytest.raises(ValueError):
        decode_mask([1, 2, 3])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "expected an object that holds each edit under its id"),
        ("{}", "holds no edits"),
        ('{"0": []}', r"the edit '0' in .*mapping_file.json .* is \[\], expected an object"),
        ('{"0": {}}', "'0' in .*mapping_file.json .* has no image_path, expected text"),
        ("no JSON", "mapping_file.json' cannot be read"),
        ("[" * 100_000, "mapping_file.json' cannot be read"),
    ],
)
def test_a_wrong_pie_bench_is_one_sentence(tmp_path, text, says):
    (tmp_path / "mapping_file.json").write_text(text)
    with pytest.raises(BadSuite, match=says):
        PieBench(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"editing_type_id": "10"}, "editing_type_id is '10', expected 0 to 9"),
        ({"editing_type_id": "-1"}, "editing_type_id is '-1', expected 0 to 9"),
        ({"editing_type_id": True}, "editing_type_id is True, expected 0 to 9"),
        ({"editing_prompt": ["a"]}, r"editing_prompt is \['a'\], expected text"),
        ({"image_path": 3}, "image_path is 3, expected text"),
        ({"blended_word": []}, r"blended_word is \[\], expected text"),
        ({"mask": "1 x"}, "mask is '1 x', expected a list of start, length"),
        ({"mask": "1 2 3"}, r"mask is \[1, 2, 3\], expected a list of start, length"),
        ({"mask": [1, 2, 3]}, r"mask is \[1, 2, 3\], expected a list of start, length"),
        ({"mask": [-10, 5]}, "a run of 5 pixels from -10 on"),
        ({"mask": [0, 1, 10, -5]}, "a run of -5 pixels from 10 on"),
        ({"mask": [512 * 512, 1]}, "a run of 1 pixels from 262144 on, .* start at 0 to 262143"),
    ],
)
def test_a_wrong_row_of_pie_bench_is_named(tmp_path, changes, says):
    (tmp_path / "mapping_file.json").write_text(json.dumps({"000": pie_row(), "001": pie_row(**changes)}))
    with pytest.raises(BadSuite, match=f"the edit '001' in .*{says}"):
        PieBench(tmp_path)


def test_tables_may_begin_with_a_byte_order_mark(tmp_path):
    rows = {"input_list.json": [{"img_name": "a.png", "target_text": "x"}], "mapping_file.json": {"0": pie_row()}}
    for name, table in rows.items():
        (tmp_path / name).write_text(json.dumps(table), encoding="utf-8-sig")
    (tmp_path / "edits.jsonl").write_text('{"picture": "a.png", "target": "x"}', encoding="utf-8-sig")
    assert [len(suite(tmp_path).entries) for suite in (TEdBench, PieBench, Table)] == [1, 1, 1]


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


def test_ids_and_identity_are_the_same_whichever_the_tables_format(tmp_path):
    found = []
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
        found.append(Table(tmp_path / name))
    assert [[entry.id for entry in suite.entries] for suite in found] == [["0001-a", "0002-b"]] * 2
    assert found[0].identity == found[1].identity


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "picture,source\na.png,x\n", "line 2 of .*a.csv' has no target"),
        ("a.csv", "", "holds no edits"),
        ("a.csv", "id,picture,target\nx,a.png,y\nx,a.png,z\n", "'x' more than once"),
        ("a.jsonl", '{"picture": "a.png", "target": "x"}\n{"picture"\n', "line 2 of .* is not a JSON object"),
        ("a.jsonl", "[1]\n", "line 1 of .* is not a JSON object"),
        ("a.jsonl", '{"picture": ["a.png"], "target": "x"}\n', "picture is .*, expected text"),
        ("a.jsonl", '{"picture": "a.png", "target": true}\n', "line 1 of .*: target is True, expected text"),
        ("a.jsonl", '{"picture": "a.png", "target": "x", "source": 3}\n', "line 1 of .*: source is 3, expected text"),
        ("a.jsonl", '{"picture": "a.png", "target": "x", "id": false}\n', "line 1 of .*: id is False, expected text"),
        (
            "a.jsonl",
            '{"picture": "a.png", "target": "x\\ny"}\n',
            "line 1 of .*: target is .*, expected text on one line",
        ),
        ("a.jsonl", '{"picture": "a.png", "target": "x\\ud83d"}\n', "'0001-a' .* holds half a surrogate pair"),
        ("a.jsonl", "[" * 100_000, "line 1 of .* is not a JSON object"),
        ("a.csv", "picture,source,target\na.png,a blue cat, on a beach,a red cat\n", "line 2 of .* 'a red cat': put"),
        ("a.csv", "picture,target,\na.png,a blue cat, on a beach\n", "line 2 of .* 'on a beach': put texts"),
        ("a.csv", 'picture,target\na.png,x\nb.png,"y\nc.png,z\n', "from line 3 of .* is not CSV .unexpected end"),
        ("a.csv", 'picture,source,target\na.png,"x,y\nb.png,"x",y\n', "from line 2 of .* is not CSV"),
        ("a.csv", 'picture,source,target\na.png,x,"\nb.png,y,"\n', "from line 2 of .* a field of several lines"),
        ("a.csv", f"picture,target\na.png,{'x' * 140_000}\n", "from line 2 of .* is not CSV .field larger"),
        ("a.txt", "", "should hold one table"),
        (
            "a.csv",
            "picture,target,masks\na.png,x,m.png\n",
            r"no column 'masks' \(did you mean mask\?\): the columns are",
        ),
        (
            "a.jsonl",
            '{"picture": "a.png", "target": "x", "mask": "m.png"}\n{"picture": "a.png", "target": "x", "masks": "m"}\n',
            "no column 'masks'",
        ),
        ("a.csv", "Picture,picture,target\na.png,b.png,x\n", "'Picture' and 'picture' are both picture"),
        ("a.csv", "image,prompt\na.png,x\n", "has no picture: the table has the columns 'image', 'prompt', expected"),
        ("a.csv", "picture,target\na.png,\n", "line 2 of .* has no target: fill it in"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSuite, match=says):
        Table(tmp_path)


def test_a_csv_may_have_spaces_before_its_quotes_and_columns_without_a_name(tmp_path):
    (tmp_path / "edits.csv").write_text('picture, target,,note\na.png, "a cat, on a beach",,mine\n')
    entry = Table(tmp_path).entries[0]
    assert (entry.target, entry.about) == ("a cat, on a beach", {"note": "mine"})


def test_a_column_that_nothing_is_read_from_is_named_and_one_in_capitals_is_read(tmp_path):
    (tmp_path / "edits.csv").write_text("Picture,TARGET,Instruction,source,source_id,artist\na.png,x,paint,y,7,me\n")
    suite = Table(tmp_path)
    [entry], [note] = suite.entries, suite.notes
    assert (entry.target, entry.source) == ("x", "y") and entry.about["instruction"] == "paint"
    assert "nothing is read from the columns 'source_id', 'artist'; a run keeps them" in note
    assert entry.about["artist"] == "me"
    (tmp_path / "edits.csv").write_text("picture,target,source\na.png,x,y\n")
    assert not Table(tmp_path).notes and Table(tmp_path).identity == suite.identity


def test_a_line_of_csv_that_ends_early_has_empty_fields(tmp_path):
    (tmp_path / "edits.csv").write_text("picture,target,source_id,source\na.png,x,7\nb.png,x\n")
    assert [entry.source for entry in Table(tmp_path).entries] == [None, None]


def test_what_is_not_there_is_not_called_a_table_and_a_file_is_no_folder(tmp_path):
    with pytest.raises(BadSuite, match=r"there is no file '.*nosuch\.csv': name a table"):
        Table(tmp_path / "nosuch.csv")
    (tmp_path / "edits.txt").write_text("x")
    with pytest.raises(BadSuite, match=r"'.*edits\.txt' is no table"):
        Table(tmp_path / "edits.txt")
    with pytest.raises(BadSuite, match=r"'.*edits\.txt' is a file: name the folder of PIE-Bench"):
        PieBench(tmp_path / "edits.txt")


def test_a_line_of_jsonl_ends_where_the_line_ends(tmp_path):
    rows = [{"id": 7, "picture": "a.png", "target": "two\u2028lines"}, {"picture": "b.png", "target": "x"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "edits.jsonl").write_text(text, encoding="utf-8")
    assert [(e.id, e.target) for e in Table(tmp_path).entries] == [("7", "two\u2028lines"), ("0002-b", "x")]


def test_a_name_too_long_for_a_file_is_a_missing_file(tmp_path):
    long = "a cat " * 50
    (tmp_path / "edits.csv").write_text(f"picture,target\n{long},a.png\n")
    suite = Table(tmp_path)
    assert list(preflight(suite, suite.entries)) == list(suite.missing()) == [suite.entries[0].id]
    with pytest.raises(BadSuite, match="there is no file 'a cat"):
        Table(long)
    for suite_of in (PieBench, TEdBench):
        with pytest.raises(BadSuite, match="there is no folder"):
            suite_of(long)


@pytest.mark.parametrize("name", ["x" * 300, "\x00\x07\x1b", "../up", "."])
def test_any_id_can_be_kept_in_a_run(tmp_path, name):
    picture(tmp_path / "a.png")
    (tmp_path / "edits.jsonl").write_text(json.dumps({"id": name, "picture": "a.png", "target": "x"}))
    suite, run = Table(tmp_path), Run(tmp_path / "run", Manifest({}, {}, {}, [0]))
    run.store(suite.case(suite.entries[0]))
    assert run.case(name).entry.id == name and len(list((tmp_path / "run" / "cases").iterdir())) == 1


def identities(folder, suite_of, name, states):
    """The identities of a suite whose table changes from state to state."""
    for state in states:
        (folder / name).write_text(state if isinstance(state, str) else json.dumps(state))
        yield suite_of(folder).identity


@pytest.mark.parametrize(
    ("suite_of", "name", "states"),
    [
        (TEdBench, "input_list.json", [
            [{"img_name": "a.png", "target_text": text}] for text in ("A cup.", "A cup", "A  cup.")
        ]),
        (PieBench, "mapping_file.json", [{"0": pie_row(**changes)} for changes in (
            {}, {"original_prompt": "a [red] jug"}, {"editing_prompt": "a [blue] jug"}, {"editing_type_id": "1"},
            {"image_path": "b.jpg"}, {"mask": [513, 3]}, {"blended_word": ""},
        )]),
        (Table, "edits.csv", [f"id,picture,source,target,mask,kind\n{row}\n" for row in (
            "1,a.png,x,y,m.png,k", "2,a.png,x,y,m.png,k", "1,b/a.png,x,y,m.png,k", "1,a.png,,y,m.png,k",
            "1,a.png,x,z,m.png,k", "1,a.png,x,y,,k", "1,a.png,x,y,m.png,",
        )]),
    ],
    ids=["tedbench", "pie-bench", "table"],
)  # fmt: skip
def test_a_suite_with_another_prompt_kind_or_file_is_another(tmp_path, suite_of, name, states):
    found = list(identities(tmp_path, suite_of, name, states))
    assert len({identity["digest"] for identity in found}) == len(states)
    assert found[0] == json.loads(json.dumps(found[0])) and set(found[0]) == {"suite", "edits", "digest"}
    assert found[0]["edits"] == 1


def test_order_folder_and_files_that_come_later_leave_a_suite_the_same(tmp_path):
    rows = ['{"id": "1", "picture": "a.png", "target": "x"}\n', '{"id": "2", "picture": "b.png", "target": "y"}\n']
    first, second = identities(tmp_path, Table, "edits.jsonl", ["".join(rows), "".join(rows[::-1])])
    assert first == second
    picture(tmp_path / "a.png")
    assert Table(tmp_path).identity == Table(tmp_path / "edits.jsonl").identity == first
    assert Table(tmp_path.rename(tmp_path.with_name("moved"))).identity == first


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
    seen = suite.judge(cases, [case.truth for case in cases])
    assert seen["both"] == [1.0] * len(cases)
    undone = suite.judge(cases, [case.picture for case in cases])
    assert undone["asked"] == [0.0] * len(cases) and undone["kept"] == [1.0] * len(cases)
    for case in cases:
        outside = np.asarray(case.mask) == 0
        assert np.abs(np.asarray(case.picture, int) - np.asarray(case.truth, int))[outside].max(initial=0) <= 6
    with pytest.raises(BadParameter, match="no edit kind 'mood'"):
        DioramaSuite(["mood"])
    with pytest.raises(BadParameter, match="at least 1"):
        DioramaSuite(count=0)


def test_shards_are_the_same_however_a_suite_is_sorted():
    suite, turned = DioramaSuite(["pose", "colour"], 3), DioramaSuite(["colour", "pose"], 3)
    parts = [[entry.id for entry in share_of(one, (share, 2))] for share, one in ((0, suite), (1, turned))]
    assert sorted([*parts[0], *parts[1]]) == sorted(entry.id for entry in suite.entries)
    assert [len(part) for part in parts] == [3, 3]


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("picture,target,target\na.png,b,c\n")
    with pytest.raises(BadSuite, match="two columns 'target'"):
        Table(tmp_path / "t.csv")
