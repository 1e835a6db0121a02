"""Anybody's edits judged: what they follow and keep, in known numbers; one sentence for what does not fit."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from retouch.diorama.pairs import edit_pair
from retouch.errors import BadModel, BadParameter, BadPicture
from retouch.explore.drift import drift_of
from retouch.explore.judge import judge_edits
from retouch.report import as_text, gather, leaderboard
from retouch.runs.run import Run
from retouch.suites.suite import BadSuite
from tests.test_cli import retouch

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Three painted pictures, their right answers as "right", and as "dull" those with 3 levels more everywhere."""
    folder = tmp_path_factory.mktemp("judged")
    for name in ("before", "right", "dull"):
        (folder / name).mkdir()
    rows = []
    for name, seed in zip(NAMES, (1000, 1001, 1002)):
        pair = edit_pair("colour", seed)
        brighter = np.clip(np.asarray(pair.truth).astype(int) + 3, 0, 255).astype(np.uint8)
        pair.picture.save(folder / "before" / f"{name}.png")
        pair.truth.save(folder / "right" / f"{name}.webp", lossless=True)
        Image.fromarray(brighter).save(folder / "dull" / f"{name}.png")
        pair.mask.save(folder / f"mask-{name}.png")
        rows.append({"name": name, "target": pair.target_prompt, "source": pair.source_prompt,
                     "mask": f"mask-{name}.png", "instruction": "another colour"})  # fmt: skip
    (folder / "targets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def judged(painted, *labels, **more):
    return judge_edits(painted / "before", {label: painted / label for label in labels}, **more)


def test_what_an_edit_keeps_is_told_outside_the_masks_and_what_it_follows_by_clip(painted):
    found = judged(painted, "right", "dull", targets=painted / "targets.jsonl", clip="diorama")
    assert found.masked and found.methods == ["right", "dull"]
    assert found.mean("right", "untouched.outside") == 1 and found.mean("dull", "untouched.outside") < 0.1
    assert found.mean("right", "psnr.outside") == 100
    assert found.mean("dull", "tone_drift.outside") == pytest.approx(3, abs=0.5)
    assert found.mean("right", "directional_similarity") > 0.5
    assert found.columns[:3] == ["directional_similarity", "clip_score", "untouched.outside"]
    assert [row[:2] for row in found.rows] == [["right", "3"], ["dull", "3"]]
    assert found.headings[:4] == ["edits of", "count", "directional_similarity (cosine)", "clip_score (cosine × 100)"]
    assert "untouched (%)" in found.headings


def test_without_texts_nothing_is_said_of_them_and_without_masks_all_is_of_whole_pictures(painted):
    said = []
    found = judged(painted, "right", clip="diorama", say=said.append)
    assert not found.masked and set(found.about) == {
        "psnr",
        "ssim",
        "mse",
        "untouched",
        "shift",
        "sharpness",
        "tone_drift",
    }
    assert 0 < found.mean("right", "untouched") < 1
    assert len(said) == 1 and "nothing says what the edits should show" in said[0]
    judged(painted, "right", targets=painted / "targets.jsonl", say=said.append)
    assert "no CLIP model is named" in said[1]


def test_a_picture_without_a_target_has_no_value_of_clip(painted, tmp_path):
    row = json.loads((painted / "targets.jsonl").read_text().splitlines()[1])
    (tmp_path / "t.jsonl").write_text(json.dumps({key: row[key] for key in ("name", "target", "source")}))
    said = []
    found = judged(painted, "right", targets=tmp_path / "t.jsonl", clip="diorama", say=said.append)
    known = {pair.name: not math.isnan(pair.values["clip_score"]) for pair in found.pairs}
    assert known == {"a": False, "b": True, "c": False} and "2 pictures have no target" in said[0]


def test_a_mean_of_some_pictures_alone_says_of_how_many(painted, tmp_path):
    row = json.loads((painted / "targets.jsonl").read_text().splitlines()[1])
    (tmp_path / "t.jsonl").write_text(json.dumps({"name": "b", "mask": str(painted / row["mask"])}))
    found = judged(painted, "dull", targets=tmp_path / "t.jsonl", measures=["psnr", "psnr.outside"])
    cells = dict(zip(found.headings, found.rows[0]))
    outside = next(pair.values["psnr.outside"] for pair in found.pairs if pair.name == "b")
    assert found.partial and cells["count"] == "3"
    assert cells["psnr.outside (dB)"] == f"{outside:.1f} (of 1)" and "(" not in cells["psnr (dB)"]
    [method] = found.figures()["methods"]
    assert method["edits"] == 3 and method["counts"] == {"psnr": 3, "psnr.outside": 1}
    done = retouch("judge-edits", "--before", painted / "before", "--after", painted / "dull", "--targets",
                   tmp_path / "t.jsonl", "--measures", "psnr,psnr.outside")  # fmt: skip
    assert "(of 1)" in done.stdout and "(of N) says how many" in " ".join(done.stdout.split()), done.stderr


def test_a_mean_of_decibels_says_how_many_edits_are_identical(painted, tmp_path):
    for name in NAMES:
        source = painted / ("before" if name == "a" else "dull") / f"{name}.png"
        (tmp_path / f"{name}.png").write_bytes(source.read_bytes())
    found = judge_edits(painted / "before", {"x": tmp_path, "same": painted / "before"}, measures=["psnr", "ssim"])
    cells = {row[0]: dict(zip(found.headings, row)) for row in found.rows}
    assert cells["x"]["psnr (dB)"] == f"{found.mean('x', 'psnr'):.1f} (1 of 3 identical)"
    assert cells["same"]["psnr (dB)"] == "identical" and "identical" not in cells["same"]["ssim"]
    assert [one["identical"] for one in found.figures()["methods"]] == [{"psnr": 1}, {"psnr": 3}]
    assert found.told() == "Means over the pictures. Identical pictures count as 100 dB."


def test_the_table_of_edits_in_a_row_says_how_many_are_identical_too(painted, tmp_path):
    (tmp_path / "before").mkdir()
    for name in ("a", "b"):
        for place, source in ((f"before/{name}", "before"), (f"{name}-001", "before" if name == "a" else "dull"),
                              (f"{name}-002", "dull")):  # fmt: skip
            (tmp_path / f"{place}.png").write_bytes((painted / source / f"{name}.png").read_bytes())
    judge_edits(tmp_path / "before", {"x": tmp_path}, steps=2, measures=["psnr"], folder=tmp_path / "run")
    first, second = drift_of(Run.open(tmp_path / "run")).rows
    assert f"| {first.values['psnr']:.1f} (1 of 2 identical) |" in drift_of(Run.open(tmp_path / "run")).markdown()
    rows = drift_of(Run.open(tmp_path / "run")).figures()["rows"]
    assert [row["identical"] for row in rows] == [{"psnr": 1}, {"psnr": 0}] and rows[0]["counts"] == {"psnr": 2}
    assert second.values["psnr"] < 50


def test_a_column_that_nothing_is_read_from_is_said(painted, tmp_path):
    (tmp_path / "t.csv").write_text("name,photographer\na,me\n")
    said = []
    judged(painted, "right", targets=tmp_path / "t.csv", measures=["psnr"], say=said.append)
    assert any("nothing is read from the column 'photographer'" in sentence for sentence in said)


@pytest.mark.parametrize("kept", [False, True], ids=["straight", "in a run"])
def test_what_changes_how_pictures_look_on_the_way_in_is_said_once_for_each_kind(painted, tmp_path, kept):
    after = changed(painted, tmp_path / "after", "")
    for path in after.iterdir():
        Image.open(path).convert("CMYK").save(path.with_suffix(".jpg"))
        path.unlink()
    Image.open(painted / "before" / "a.png").convert("L").convert("I;16").save(tmp_path / "a.png")
    Image.new("RGBA", (128, 128), (9, 9, 9, 40)).save(tmp_path / "b.png")
    Image.open(painted / "before" / "c.png").save(tmp_path / "c.png")
    said = []
    judge_edits(tmp_path, {"x": after}, measures=["psnr"], say=said.append, folder=tmp_path / "run" if kept else None)
    for words in (
        f"{tmp_path / 'a.png'}: values of more than 8 bits were reduced to 8.",
        f"{tmp_path / 'b.png'}: transparent parts were put onto white.",
        f"{after / 'a.jpg'}: CMYK was converted to RGB (and so it is with 2 more files).",
    ):
        assert said.count(words) == 1, said
    assert len(said) == 3


def test_a_run_says_what_the_files_say_and_a_report_reads_it(painted, tmp_path):
    straight = judged(painted, "right", "dull", targets=painted / "targets.jsonl", clip="diorama")
    for _ in range(2):  # the second time all is there
        kept = judged(
            painted, "right", "dull", targets=painted / "targets.jsonl", clip="diorama", folder=tmp_path / "run"
        )
        assert [pair.name for pair in kept.pairs] == [pair.name for pair in straight.pairs]
        for one, other in zip(straight.pairs, kept.pairs):
            assert one.values == pytest.approx(other.values, nan_ok=True, abs=1e-4)
    run = Run.open(tmp_path / "run")
    assert run.manifest.model["name"] == "" and len(run.records()) == 6
    table = as_text(leaderboard(gather([run])), "csv")
    assert table.splitlines()[1].startswith("right,")


def test_methods_can_be_added_to_a_run_of_others_edits(painted, tmp_path):
    run = tmp_path / "run"
    judged(painted, "right", targets=painted / "targets.jsonl", folder=run, measures=["psnr"])
    done = retouch(
        "bench", "before-after", "--before", painted / "before", "--targets", painted / "targets.jsonl", "-o", run,
        "--methods", "none", "--variant", "ours=sdedit:num_inference_steps=2", "--measures", "psnr",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = Run.open(run).manifest
    assert list(manifest.methods) == ["right", "ours"] and manifest.model["name"] == "diorama"


def test_edits_in_a_row_have_a_row_for_each_step(tmp_path):
    for place in ("before", "after"):
        (tmp_path / place).mkdir()
    pair = edit_pair("colour", 1000)
    pair.picture.save(tmp_path / "before" / "cat.png")
    for step in (1, 2):
        worse = np.clip(np.asarray(pair.picture).astype(int) + 4 * step, 0, 255).astype(np.uint8)
        Image.fromarray(worse).save(tmp_path / "after" / f"cat-00{step}.png")
    found = judge_edits(tmp_path / "before", {"x": tmp_path / "after"}, steps=2, measures=["tone_drift"])
    assert found.headings == ["edits of", "after", "count", "tone_drift (levels)"]
    assert [row[:3] for row in found.rows] == [["x", "1", "1"], ["x", "2", "1"]]
    assert found.mean("x", "tone_drift", 2) > found.mean("x", "tone_drift", 1) > 2
    assert [pair["step"] for pair in found.figures()["pairs"]] == [1, 2]
    command = ("judge-edits", "--before", tmp_path / "before", "--after", f"x={tmp_path / 'after'}", "--steps", 2)
    done = retouch(*command, "-o", tmp_path / "run")
    assert done.returncode == 0 and "after" in done.stdout, done.stderr
    assert (tmp_path / "run" / "strips" / "cat.png").exists() and (tmp_path / "run" / "drift.md").exists()


def test_the_command_prints_a_table_or_all_of_it_for_machines(painted, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    command = (
        "judge-edits", "--before", painted / "before", "--after", painted / "right", "--after",
        f"dull={painted / 'dull'}", "--targets", painted / "targets.jsonl", "--clip", "diorama",
    )  # fmt: skip
    shown = retouch(*command)
    assert shown.returncode == 0 and "outside the masks" in shown.stdout, shown.stderr
    assert [line.split()[:2] for line in shown.stdout.splitlines() if line.startswith(("right", "dull"))] == [
        ["right", "3"], ["dull", "3"],
    ]  # fmt: skip
    figures = json.loads(retouch(*command, "--json").stdout)
    assert len(figures["pairs"]) == 6 and figures["measures"]["untouched"]["unit"] == "%"
    assert figures["methods"][0]["values"]["untouched.outside"] == 1


def changed(painted, folder, what):
    """The right answers, with one thing wrong."""
    folder.mkdir()
    for path in (painted / "right").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    if what == "missing":
        (folder / "b.webp").unlink()
    elif what == "case":
        (folder / "b.webp").rename(folder / "B.WEBP")
    elif what == "beyond":
        (folder / "z.png").write_bytes((painted / "dull" / "a.png").read_bytes())
    elif what == "twice":
        (folder / "b.png").write_bytes((painted / "dull" / "b.png").read_bytes())
    elif what == "damaged":
        (folder / "b.webp").write_bytes((folder / "b.webp").read_bytes()[:200])
    elif what == "size":
        Image.open(folder / "b.webp").resize((100, 128)).save(folder / "b.webp", lossless=True)
    elif what == "empty":
        for path in folder.iterdir():
            path.unlink()
    return folder


@pytest.mark.parametrize("kept", [False, True], ids=["straight", "in a run"])
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "has no edit of 'b', 1 of 3"),
        ("case", "has no edit of 'b', 1 of 3 (there is 'B.WEBP': names agree in upper and lower case)"),
        ("beyond", "holds 'z.png', and no picture is called so"),
        ("twice", "'b.png' and 'b.webp', one name with two endings"),
        ("damaged", "b.webp"),
        ("size", "b.webp' is 100 x 128 and its picture is 128 x 128"),
        ("empty", "holds no picture"),
    ],
)
def test_edits_that_do_not_fit_are_one_sentence_and_nothing_is_written(painted, tmp_path, what, says, kept):
    after, run = changed(painted, tmp_path / "after", what), tmp_path / "run"
    command = ("judge-edits", "--before", painted / "before", "--after", after, "--measures", "psnr")
    done = retouch(*command, *(("-o", run) if kept else ()))
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not done.stdout and not run.exists()


def test_edits_of_another_size_are_scaled_where_that_is_asked_for(painted, tmp_path):
    after = changed(painted, tmp_path / "after", "size")
    found = judge_edits(painted / "before", {"x": after}, measures=["psnr"], resize=True)
    assert all(pair.values["psnr"] < 100 for pair in found.pairs)
    kept = judge_edits(painted / "before", {"x": after}, measures=["psnr"], resize=True, folder=tmp_path / "run")
    assert kept.mean("x", "psnr") == pytest.approx(found.mean("x", "psnr"), abs=1e-4)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--measures", "fid"), "fid is of all edits together, which a run keeps: name a folder with -o."),
        (("--measures", "clip_score"), "nothing says what the edits should show (--targets)"),
        (("--measures", "ssim.outside"), "ssim.outside: left out, as no picture has a mask"),
        (("--measures", "none"), "nothing to measure by"),
        (("--after", "right"), "there is no folder 'right': name the folder of the edits."),
        (("--after", "mine=right"), "there is no folder 'right': name the folder of the edits called 'mine'."),
        (("--after", "=right"), "expected FOLDER or LABEL=FOLDER"),
        (("--targets", "nowhere.csv"), "there is no file 'nowhere.csv'"),
        (("--steps", "2"), "has no edit of 'a-001', 'a-002'"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(painted, words, says):
    done = retouch("judge-edits", "--before", painted / "before", "--after", f"x={painted / 'right'}", *words)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_from_python_the_same_is_raised(painted, tmp_path):
    with pytest.raises(BadParameter, match="nothing to judge"):
        judge_edits(painted / "before", {})
    with pytest.raises(BadSuite, match="there is no folder"):
        judge_edits(tmp_path / "nowhere", {"x": painted / "right"})
    with pytest.raises(BadPicture, match=r"b\.webp"):
        judge_edits(painted / "before", {"x": changed(painted, tmp_path / "after", "damaged")})


def test_a_model_that_is_named_and_cannot_be_had_is_refused(painted, tmp_path):
    for folder in (None, tmp_path / "run"):
        with pytest.raises(BadModel, match=r"the CLIP model .*nosuch"):
            judged(painted, "right", targets=painted / "targets.jsonl", clip=str(tmp_path / "nosuch"), folder=folder)
    assert not (tmp_path / "run").exists()
