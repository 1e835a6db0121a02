"""What a report gathers of its runs: several together, unfinished ones, failures."""

import json
import re
import shutil

import pytest

from retouch.errors import BadParameter
from retouch.report import as_text, gather, leaderboard, page
from retouch.runs.files import BadRun
from retouch.runs.run import Run
from tests.report.common import read, tiny_cases
from tests.runs.painted import METHODS, small_run


def test_several_runs_lie_in_one_table_and_equal_labels_are_told_apart(run, tmp_path):
    other = small_run(tmp_path / "other", ["sdedit", "null-text"], seeds=(0,), model="sd15")
    gathered = gather([run, other])
    labels = [method.label for method in gathered.methods]
    assert sorted(labels) == ["masactrl", "null-text", "prox-npi", "sdedit (other)", "sdedit (run)"]
    assert gathered.made == gathered.wanted == 36 + 12
    text = page(gathered, 1)
    assert "<small>sd15</small>" in text and "sd15 (0000000000000000) in other" in text


def test_folders_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    (tmp_path / "again").mkdir()
    shutil.copytree(run.folder, tmp_path / "again" / run.folder.name)
    labels = [method.label for method in gather([run, Run.open(tmp_path / "again" / run.folder.name)]).methods]
    assert len(set(labels)) == 6


def test_runs_of_different_edits_and_a_run_named_twice_are_refused(run, tmp_path):
    other = small_run(tmp_path / "other", ["sdedit"], kinds=("pose",), count=1)
    with pytest.raises(BadRun, match="are of different edits: report each by itself"):
        gather([run, other])
    with pytest.raises(BadRun, match="is named twice"):
        gather([run, Run.open(run.folder)])


def test_methods_with_and_without_masks_and_counts_may_differ(run, tmp_path):
    masked = small_run(tmp_path / "masked", ["sdedit"], count=1, helped={"masks": True})
    gathered = gather([run, masked])
    assert gathered.made == gathered.wanted == 36 + 3 and not gathered.lacking and not gathered.not_begun
    text = page(gathered, 0)
    assert "with the suite&#39;s masks" in text and "different numbers of cases: 2 of each kind in run, 1 of" in text


def test_one_measure_by_different_models_is_refused_and_others_are_not(tmp_path):
    runs = [small_run(tmp_path / clip, ["sdedit"], clip=f"words {clip}") for clip in ("one", "two")]
    with pytest.raises(BadRun, match=r"clip_score\.inside was taken by words one in .*one' and by words two"):
        gather(runs)
    assert gather(runs, measures=["psnr"]).measures == ["psnr"]
    assert "Measured by words one: CLIP score, inside." in page(gather(runs[:1]), 0)


def test_outputs_of_others_alone_have_no_model(tmp_path):
    text = page(gather([small_run(tmp_path / "run", ["theirs"], others=["theirs"])]), 0)
    assert "outputs that others made" in text and "diorama (0000" not in text


def test_no_run_is_one_sentence():
    with pytest.raises(BadParameter, match="name at least one run"):
        gather([])


def test_where_a_run_went_on_is_said(tmp_path):
    run = small_run(tmp_path / "run", ["sdedit"])
    state = json.loads((run.folder / "run.json").read_text())
    state["environment"]["later"] = [{**state["environment"], "torch": "9.9", "date": "2031-07-08"}]
    (run.folder / "run.json").write_text(json.dumps(state))
    text = page(gather([Run.open(run.folder)]), 0)
    assert "gone on with" in text and "torch 9.9" in text and "2031-07" not in text


def test_an_unfinished_run_says_so_first(tmp_path):
    lacking = {("colour-1001", "masactrl", 0), ("place-1000", "sdedit", 0)}
    gathered = gather([small_run(tmp_path / "run", lacking=lacking)])
    assert (gathered.made, gathered.wanted) == (16, 18)
    assert gathered.lacking == {"colour-1001": ["masactrl"], "place-1000": ["sdedit"]}
    text = page(gathered, 0)
    assert text.index("This run is not complete: 16 of 18 edits are done.") < text.index("Which method, at what cost?")
    assert "Cases that are not done by all methods" in text


def test_cases_that_were_not_begun_count_as_not_done(tmp_path):
    cases = tiny_cases(3)
    run = small_run(tmp_path / "run", ["sdedit"], cases=cases, suite={"suite": "table", "edits": 5, "digest": "0"})
    gathered = gather([run])
    assert (gathered.made, gathered.wanted, gathered.not_begun) == (3, 5, 2)
    assert "3 of 5 edits are done, and 2 cases not begun." in page(gathered, 0)


def test_failures_are_listed_with_their_reasons(run):
    text = page(gather([run]), 0)
    row = re.search(r"<tr><th scope=\"row\">sdedit</th><td>colour-1000</td><td>1</td>.*?</tr>", text)
    assert row and "out of memory" in row[0]


def test_a_run_without_an_edit_is_one_sentence(tmp_path):
    cases = tiny_cases(1)
    run = small_run(tmp_path / "none", ["sdedit"], cases=cases, lacking={("case-000", "sdedit", 0)})
    with pytest.raises(BadRun, match=r"no edit of '.*none' is finished: let `retouch bench` make some first"):
        gather([run])
    run = small_run(tmp_path / "bad", ["sdedit"], cases=cases, failing={("case-000", "sdedit", 0)})
    with pytest.raises(BadRun, match=r"all 1 edits of '.*bad' failed, the first because: out of memory"):
        gather([run])


def test_a_kind_of_which_every_edit_failed_does_not_take_the_report_away(tmp_path):
    failing = {("colour-1000", method, 0) for method in METHODS}
    text = page(gather([small_run(tmp_path / "run", count=1, failing=failing)]), 2)
    colour = next(kind for kind in read(text)["kinds"] if kind["name"] == "colour")
    assert {cell[1] for cell in colour["cells"]["psnr"]} == {"–"}
    others = gather([small_run(tmp_path / "others", ["a", "b"], others=["a", "b"])], measures=["fid"])
    assert read(page(others, 2))["kinds"] == [] and "fid" in as_text(leaderboard(others), "csv")


def test_an_edit_whose_picture_is_gone_is_not_done(tmp_path):
    run = small_run(tmp_path / "run")
    run.edit_path(run.records()[0]).unlink()
    gathered = gather([run])
    assert (gathered.made, gathered.wanted) == (17, 18) and len(gathered.lacking) == 1


def test_seeds_that_were_chosen_count_as_measured(tmp_path):
    run = small_run(tmp_path / "run", seeds=(0, 1))
    lines = (run.folder / "measures" / "0-of-1.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["seed"] == 0]
    (run.folder / "measures" / "0-of-1.jsonl").write_text("".join(line + "\n" for line in kept))
    assert gather([run]).unmeasured == 18 and gather([run], best_of_seeds="psnr").unmeasured == 0


def test_a_figure_of_a_whole_set_is_never_sure(run):
    board = leaderboard(gather([run]))
    assert sorted(row.cells["fid"].mark for row in board.rows) == ["best", "close", "close"]


def test_a_run_that_is_not_measured_shows_its_costs(tmp_path):
    gathered = gather([small_run(tmp_path / "run", measured=False)])
    assert [column.role for column in leaderboard(gathered).columns] == ["cost"] * 3
    text = page(gathered, 2)
    assert "No edit is measured yet: only costs are shown." in text and 'id="plane"' not in text


def test_a_damaged_picture_does_not_take_the_report_away(tmp_path):
    run = small_run(tmp_path / "run", count=1)
    (run.folder / "edits" / "sdedit" / "colour-1000.0.png").write_bytes(b"no picture")
    shown = read(page(gather([run])))["gallery"]
    broken = [edit for case in shown for edit in case["edits"] if edit["image"] is None]
    assert len(broken) == 1 and "cannot be read" in broken[0]["error"]
