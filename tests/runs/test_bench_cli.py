"""The command line of runs: a user's folder from pictures to a report, and one clear message for bad input."""

import json
import shutil
import sys

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.runs.results import results
from retouch.runs.run import Run
from tests.test_cli import retouch

pytestmark = pytest.mark.slow

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
    lines = refused.stderr.splitlines()
    assert lines[0].endswith("leave them out with --skip-missing:") and "\\n" not in refused.stderr
    assert [line.split(":")[0] for line in lines[1:]] == ["  gone", "  bad"] and "broken.png" in lines[2]
    command = ("bench", "folder", "--data", folder / "edits.jsonl", "-o", run, "--skip-missing", *FAST)
    done = retouch(*command)
    assert done.returncode == 0 and "2 of 4 cases are left out" in done.stderr
    assert "2 of 2 edits are there, 2 tried now." in done.stderr
    assert "2 of 2 edits are there, 0 tried now." in retouch(*command).stderr
    table = results(Run.open(run))
    assert list(table.case) == ["one", "two"] and table.clip_score.notna().all()
    assert table["psnr.outside"].isna().tolist() == [True, True]  # no mask, and one that leaves nothing
    captioned = Run.open(run).case("two").entry
    assert captioned.source is None  # sdedit needs none
    shown = retouch("report", run, "--format", "csv")
    assert shown.returncode == 0 and shown.stdout.splitlines()[1].startswith("quick,")


def test_what_changes_how_pictures_look_on_the_way_in_is_said(folder):
    table, theirs = folder / "mine.csv", folder / "theirs"
    table.write_text("id,picture,target\none,cat.png,a dog\ntwo,clear.png,a dog\nthree,clear2.png,a dog\n")
    theirs.mkdir()
    for name in ("clear.png", "clear2.png", "theirs/one.png"):
        Image.new("RGBA", (128, 128), (0, 90, 90, 40)).save(folder / name)
    command = ("bench", "folder", "--data", table, "-o", folder / "run", "--methods", "none", "--measures", "psnr")
    done = retouch(*command, "--outputs", f"theirs={theirs}")
    assert done.returncode == 0, done.stderr
    clear = "transparent parts were put onto white"
    assert f"{folder / 'clear.png'}: {clear} (and so it is with 1 more file)." in done.stderr.splitlines()
    assert f"{theirs / 'one.png'}: {clear}." in done.stderr.splitlines() and done.stderr.count(clear) == 2


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
        (
            ("diorama", "--data", "."),
            "--data goes with the suites tedbench, pie-bench, magic-brush, folder, not diorama",
        ),
        (("diorama", "--count", "x"), "count is 'x', expected a whole number of at least 1."),
        (("diorama", "--kinds", "mood"), "no edit kind 'mood'"),
        (("folder", "--data", ".", "--kinds", "pose"), "goes with the suites diorama, drift"),
        (("diorama", "--methods", "nothing"), "no method 'nothing'"),
        (("diorama", "--methods", "none"), "nothing to run"),
        (("diorama", "--variant", "sdedit:strength=7"), "strength is 7"),
        (("diorama", "--shard", "2/2"), "--shard is '2/2'"),
        (("diorama", "--keep", "some"), "--keep is 'some', expected auto, exact, off or both"),
        (("diorama", "--keep", "both", "--variant", "ddim kept=ddim"), "two methods are called 'ddim kept'"),
        (("diorama", "--seeds", "3-1"), "no range"),
        (("diorama", "--seeds", "x"), "expected numbers"),
        (("diorama", "--executor", "cloud"), "expected local or ray"),
        (("diorama", "--address", "host:1"), "goes with --executor ray"),
        (("diorama", "--measures", "beauty"), "no measure 'beauty'"),
        (("diorama", "--outputs", "theirs"), "expected LABEL=FOLDER"),
        (("diorama", "--model", "nowhere"), "nowhere"),
        (("diorama", "--outputs", "theirs=."), "holds no output of this suite"),
        (("diorama", "--executor", "ray", "--address", "127.0.0.1:1"), "cannot be reached"),
        (("folder", "--data", ".", "--count", 3), "--count goes with the suites diorama, drift"),
        (("folder", "--data", ".", "--start", 3), "--start goes with the suites diorama, drift"),
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


def test_edits_that_fail_are_told_and_the_exit_code_says_so(folder):
    (folder / "mine.csv").write_text("picture,source,target\ncat.png,a cat,a dog and a bird\n")
    command = (
        "bench", "folder", "--data", folder / "mine.csv", "-o", folder / "run", "--methods", "none",
        "--variant", "prompt-to-prompt:num_inference_steps=2,aligner=replace",
    )  # fmt: skip
    done = retouch(*command)
    assert done.returncode == 1 and "1 of 1 edits failed" in done.stderr and "same number of words" in done.stderr, (
        done.stderr
    )
    assert "0 of 1 edits are there, 1 tried now" in done.stderr and "Traceback" not in done.stderr
    assert "0 of 1 edits are there, 0 tried now" in retouch(*command).stderr


def test_a_name_too_long_for_the_disk_is_one_sentence(tmp_path):
    done = retouch("bench", "diorama", "-o", tmp_path / ("x" * 300), "--count", 1, *FAST)
    assert (
        done.returncode == 2 and "cannot be made (File name too long)" in done.stderr and done.stderr.count("\n") == 1
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [("run.json", '{"format": 1}'), ("measures/about.json", '{"psnr"'), ("records/0-of-1.jsonl", '{"case": "a"}\n')],
)
def test_a_damaged_run_is_one_sentence(tmp_path, file, text):
    command = ("bench", "diorama", "-o", tmp_path, "--count", 1, "--kinds", "pose", "--measures", "psnr", *FAST, "-q")
    assert retouch(*command).returncode == 0
    (tmp_path / file).write_text(text)
    done = retouch(*command)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert file in done.stderr and "is damaged" in done.stderr


def test_another_scorer_is_refused_before_anything_is_done(tmp_path):
    clip, run = tmp_path / "clip", tmp_path / "run"
    shutil.copytree(EMBEDDED_FOLDER / "clip", clip)
    tensors = load_file(clip / "model.safetensors")
    tensors["visual_projection.weight"] = -tensors["visual_projection.weight"]
    save_file(tensors, clip / "model.safetensors", metadata={"format": "pt"})
    command = ("bench", "diorama", "-o", run, "--kinds", "pose", *FAST, "-q")
    assert retouch(*command, "--count", 2, "--measures", "clip_score,frechet.clip").returncode == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for measures in ("clip_score", "frechet.clip"):
        done = retouch(*command, "--count", 3, "--seeds", "0-1", "--measures", measures, "--clip", clip)
        assert done.returncode == 2 and "measure with that one" in done.stderr and done.stderr.count("\n") == 1
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_what_cannot_be_measured_is_said_before_the_work(tmp_path, monkeypatch):
    """Not after hours of edits: the model of a measure of all edits is looked for first, as those of others are."""
    said = []
    monkeypatch.setattr("retouch.cli.bench.note", said.append)
    command = ("bench", "diorama", "-o", tmp_path / "run", "--count", 1, "--kinds", "pose", *FAST)
    assert retouch(*command, "--measures", "fid,psnr").returncode == 0
    assert "fid is left out" in said[0] and "torch-fidelity" in said[0] and "edits are there" in said[1]
    assert sum("fid" in sentence for sentence in said) == 1


def test_a_measure_of_masks_is_named_before_the_work_where_there_are_no_masks(folder, monkeypatch):
    said = []
    monkeypatch.setattr("retouch.cli.bench.note", said.append)
    (folder / "mine.csv").write_text("picture,target\ncat.png,a dog\n")
    command = ("bench", "folder", "--data", folder / "mine.csv", "-o", folder / "run", *FAST)
    assert retouch(*command, "--measures", "psnr.outside,frechet.clip.inside,psnr").returncode == 0
    assert "psnr.outside is left out: no case of the suite has a mask." in said[0] and "frechet.clip.inside" in said[1]
    assert "edits are there" in said[2] and not any("left out" in sentence for sentence in said[2:])
    assert list(results(Run.open(folder / "run")).columns)[-1] == "psnr"


def test_a_library_that_the_table_needs_is_named_before_the_work(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("retouch.cli.bench.note", said.append)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    command = ("bench", "diorama", "-o", tmp_path / "run", "--count", 1, "--kinds", "pose", *FAST)
    assert retouch(*command, "--measures", "psnr").returncode == 0
    assert "no Parquet table: pyarrow is not installed" in said[0] and "edits are there" in said[1]
    assert not (tmp_path / "run" / "results").exists()


def test_outputs_of_one_name_in_two_folders_are_refused(folder):
    for place in ("x", "y"):
        (folder / "outputs" / place).mkdir(parents=True)
        shutil.copy(folder / "cat.png", folder / "outputs" / place / "one.png")
    command = ("bench", "folder", "--data", folder / "edits.jsonl", "-o", folder / "run", "--skip-missing")
    done = retouch(*command, "--methods", "none", "--outputs", f"theirs={folder / 'outputs'}")
    assert done.returncode == 2 and "are both 'one'" in done.stderr and not (folder / "run").exists()
