"""The suite of a folder of pictures that others edited: what a table says of them, and what stays unsaid."""

import json

import pytest
from PIL import Image

from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.runs.bench import begin
from retouch.runs.variants import read_variants
from retouch.suites.before_after import BeforeAfter
from retouch.suites.suite import BadSuite, chains_of


@pytest.fixture
def folder(tmp_path):
    for name in ("cat.png", "dog.jpg", "notes.txt", ".hidden.png"):
        Image.new("RGB", (40, 30), "teal").save(tmp_path / name, "PNG")
    Image.new("L", (40, 30), "white").save(tmp_path / "m.gif")
    (tmp_path / "m.gif").rename(tmp_path / "mask")
    (tmp_path / "inside").mkdir()
    return tmp_path


def table(folder, *rows, name="t.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def test_every_picture_is_an_edit_and_nothing_is_made_up(folder):
    suite = BeforeAfter(folder)
    assert [(entry.id, entry.target, entry.source, dict(entry.about)) for entry in suite.entries] == [
        ("cat", "", None, {}), ("dog", "", None, {}),
    ]  # fmt: skip
    assert suite.case(suite.entries[0]).mask is None


def test_a_table_names_pictures_with_or_without_their_endings(folder):
    rows = table(
        folder,
        {"name": "dog.jpg", "target": "a wolf", "source": "a dog", "instruction": "make it a wolf", "kind": "animal"},
        {"name": "cat", "mask": "mask"},
    )
    cat, dog = (suite := BeforeAfter(folder, rows)).entries
    assert (dog.target, dog.source, dog.kind, dog.about) == (
        "a wolf",
        "a dog",
        "animal",
        {"instruction": "make it a wolf"},
    )
    assert suite.case(cat).mask.getpixel((3, 3)) == 255 and cat.target == ""
    assert suite.identity != BeforeAfter(folder).identity


def test_a_tables_columns_are_read_in_any_case_and_unknown_ones_are_named(folder):
    (folder / "t.csv").write_text("Name, Mask,photographer\ncat,mask,me\n")
    suite = BeforeAfter(folder, folder / "t.csv")
    assert suite.case(suite.entries[0]).mask is not None
    assert [note.endswith("nothing is read from the column 'photographer'.") for note in suite.notes] == [True]


def test_steps_are_edits_in_a_row(folder):
    rows = table(folder, {"name": "cat", "source": "a cat", "mask": "mask"}, {"name": "cat-002", "target": "a red cat"})
    suite = BeforeAfter(folder, rows, steps=2)
    assert [[entry.id for entry in chain] for chain in chains_of(suite.entries)] == [
        ["cat-001", "cat-002"], ["dog-001", "dog-002"],
    ]  # fmt: skip
    first, second = suite.entries[:2]
    assert (first.target, second.target, second.source) == ("", "a red cat", "a cat") and second.kind == "edit 2"
    assert suite.case(second).mask is not None


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"name": "bird", "target": "x"}], "line 1 of .* names 'bird', and no picture is called so: .* 'cat', 'dog'"),
        ([{"name": "cat"}, {"name": "cat.png"}], "line 2 of .* names 'cat.png' once more"),
        ([{"target": "x"}], "line 1 of .* has no name: the table has the columns 'target', expected some of name"),
        ([{"name": "cat"}, {"name": ""}], "line 2 of .* has no name: fill it in"),
        ([{"name": "cat", "masks": "mask"}], r"no column 'masks' \(did you mean mask\?\): the columns are name, kind"),
        ([{"name": "CAT"}], r"names 'CAT', and no picture is called so \(did you mean 'cat'\?\)"),
        ([{"name": "cat", "target": "a\nb"}], "target is .*, expected text on one line"),
        ([{"name": "cat", "target": 3}], "target is 3, expected text"),
        ([], "holds no rows"),
    ],
)
def test_a_wrong_table_is_one_sentence(folder, rows, says):
    with pytest.raises(BadSuite, match=says):
        BeforeAfter(folder, table(folder, *rows))


def test_a_folder_is_of_pictures_with_names_of_their_own(folder, tmp_path):
    (tmp_path / "inside" / "a.txt").write_text("no picture")
    with pytest.raises(BadSuite, match="inside' holds no picture"):
        BeforeAfter(tmp_path / "inside")
    Image.new("RGB", (8, 8)).save(folder / "cat.webp")
    with pytest.raises(BadSuite, match=r"'cat\.png' and 'cat\.webp', one name with two endings"):
        BeforeAfter(folder)


def test_methods_want_to_be_told_what_to_make(folder, tmp_path):
    with pytest.raises(BadParameter, match="nothing says what 'cat' should show"):
        begin(tmp_path / "run", BeforeAfter(folder), Editor.from_pretrained("diorama"), read_variants(["sdedit"]))
    with pytest.raises(BadParameter, match="sdedit needs a model"):
        rows = table(folder, *({"name": name, "target": "x"} for name in ("cat", "dog")))
        begin(tmp_path / "run", BeforeAfter(folder, rows), None, read_variants(["sdedit"]))
    assert not (tmp_path / "run").exists()
