"""The command line of runs: a user's folder from pictures to a report, and one clear message for bad input."""

import json

import pytest
from PIL import Image

from retouch.evaluate.results import results
from retouch.evaluate.run import Run
from tests.test_cli import retouch

FAST = ("--methods", "none", "--variant", "quick=sdedit:num_inference_steps=2")


@pytest.fixture
def folder(tmp_path):
    retouch("diorama", "paint", "a red cat on a beach", "--seed", 3, "-o", tmp_path / "cat.png")
    Image.new("L", (128, 128), "white").save(tmp_path / "mask.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    rows = [
        {"id": "one", "picture": "cat.png", "source": "a red cat on a beach", "target": "a blue cat on a beach"},
        {"id": "two", "picture": "cat.png", "target": "a dog on a beach", "mask": "mask.png", "kind": "animal"},
        {"id": "gone", "picture": "nothing.png", "target": "a dog"},
        {"id": "bad", "picture": "broken.png", "target": "a dog"},
    ]
    (tmp_path / "edits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_users_folder_from_pictures_to_tables(folder):
    run = folder / "run"
    refused = retouch("bench", "folder", "--data", folder / "edits.jsonl", "-o", run, *FAST)
    assert refused.returncode == 2 and not run.exists()
    assert "2 of the suite's cases" in refused.stderr and "nothing.png" in refused.stderr
    assert "broken.png" in refused.stderr and "--skip-missing" in refused.stderr
    command = ("bench", "folder", "--data", folder / "edits.jsonl", "-o", run, "--skip-missing", *FAST)
    done = retouch(*command)
    assert done.returncode == 0 and "2 of 4 cases are left out" in done.stderr
    assert "2 of 2 edits are finished, 2 of them now; 0 failed" in done.stderr
    assert "2 of 2 edits are finished, 0 of them now" in retouch(*command).stderr
    table = results(Run.open(run))
    assert list(table.case) == ["one", "two"] and table.clip_score.notna().all()
    assert table["psnr.outside"].isna().tolist() == [True, True]  # no mask, and one that leaves nothing
    captioned = Run.open(run).case("two").entry
    assert captioned.source is None  # sdedit needs none
    shown = retouch("report", run, "--format", "csv")
    assert shown.returncode == 0 and shown.stdout.splitlines()[1].startswith("quick,")


def test_captions_are_diorama_s_own_where_a_method_needs_them(folder):
    run, table = folder / "run", folder / "mine.csv"
    table.write_text("picture,target\ncat.png,a blue cat on a beach\n")
    variant = ("--methods", "none", "--variant", "ddim:num_inference_steps=2")
    assert retouch("bench", "folder", "--data", table, "-o", run, *variant, "--measures", "psnr").returncode == 0
    entry = Run.open(run).cases()[0]
    assert "red cat" in entry.source and entry.about == {"captioned": 1}
    assert list(results(Run.open(run)).columns)[-1] == "psnr"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere",), "no suite 'nowhere'"),
        (("tedbench",), "say where with --data"),
        (("tedbench", "--data", "nowhere"), "there is no folder 'nowhere'"),
        (("diorama", "--data", "."), "paints its own pictures"),
        (("diorama", "--kinds", "mood"), "no edit kind 'mood'"),
        (("folder", "--data", ".", "--kinds", "pose"), "goes with the suite diorama"),
        (("diorama", "--methods", "nothing"), "no method 'nothing'"),
        (("diorama", "--methods", "none"), "nothing to run"),
        (("diorama", "--variant", "sdedit:strength=7"), "strength is 7"),
        (("diorama", "--shard", "2/2"), "--shard is '2/2'"),
        (("diorama", "--seeds", "3-1"), "no range"),
        (("diorama", "--seeds", "x"), "expected numbers"),
        (("diorama", "--executor", "cloud"), "expected local or ray"),
        (("diorama", "--address", "host:1"), "goes with --executor ray"),
        (("diorama", "--measures", "beauty"), "no measure 'beauty'"),
        (("diorama", "--outputs", "theirs"), "expected LABEL=FOLDER"),
        (("diorama", "--model", "nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, arguments, says):
    output = tmp_path / "run"
    done = retouch("bench", arguments[0], "-o", output, *arguments[1:])
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not output.exists()


def test_a_suite_without_source_prompts_needs_a_captioner_for_real_models(folder, tmp_path):
    (folder / "mine.csv").write_text("picture,target\ncat.png,a dog\n")
    done = retouch(
        "bench", "folder", "--data", folder / "mine.csv", "-o", tmp_path / "run", "--model", "some/model",
        "--methods", "ddim",
    )  # fmt: skip
    assert done.returncode == 2 and "--captioner" in done.stderr and not (tmp_path / "run").exists()
