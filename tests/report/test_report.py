"""Reports of runs: the statistics against what is known, the page against the table, and what a run may lack."""

import io
import json
import math
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from retouch.errors import BadParameter, OutputExists
from retouch.report import as_text, gather, leaderboard, page, write_text
from retouch.report.gallery import chosen_cases, data_uri
from retouch.report.statistics import _t, estimates
from retouch.report.tables import Cell, Column, Leaderboard, Row, _marks, breakdown
from retouch.runs.files import BadRun
from retouch.runs.results import MissingExtra, results
from retouch.runs.run import Run
from retouch.suites.suite import Case, Entry
from tests.runs.painted import METHODS, small_run
from tests.test_cli import retouch


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three methods, six cases, two seeds; one edit failed."""
    return small_run(tmp_path_factory.mktemp("report") / "run", seeds=(0, 1), failing={("colour-1000", "sdedit", 1)})


def tiny_cases(count):
    picture = Image.new("RGB", (8, 8), "teal")
    return [Case(Entry(f"case-{i:03}", f"kind {i % 4}", "a red cat"), picture) for i in range(count)]


# ---- statistics


def estimated(values, cases, groups=None, of=1, **more):
    """Of one quantity."""
    groups = np.zeros(len(values), int) if groups is None else np.asarray(groups)
    return estimates(np.asarray(values, float)[:, None], np.asarray(cases), groups, of, **more)


def test_the_interval_of_a_mean_is_the_normal_approximations():
    values = np.random.default_rng(1).normal(20, 3, 500)
    found = estimated(values, np.arange(500))
    half = 1.96 * values.std(ddof=1) / math.sqrt(500)
    assert found.mean[0, 0] == pytest.approx(values.mean())
    assert found.low[0, 0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high[0, 0] == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_interval_holds_the_truth_about_95_times_of_100():
    """400 experiments at once, as the groups; for 40 cases the percentile interval is a little short: 93 to 94."""
    values = np.random.default_rng(2).normal(5, 2, (40, 400))
    cases, groups = (part.ravel() for part in np.meshgrid(np.arange(40), np.arange(400), indexing="ij"))
    found = estimated(values.ravel(), cases, groups, 400)
    held = np.mean((found.low <= 5) & (found.high >= 5))
    assert 0.90 <= held <= 0.975


def test_seeds_of_one_case_are_drawn_together():
    """Five seeds that say the same say no more than one: the interval stays as wide."""
    values = np.random.default_rng(3).normal(0, 1, 60)
    once, five = estimated(values, np.arange(60)), estimated(np.repeat(values, 5), np.repeat(np.arange(60), 5))
    assert five.low[0, 0] == pytest.approx(once.low[0, 0]) and five.high[0, 0] == pytest.approx(once.high[0, 0])
    assert (once.count[0, 0], five.count[0, 0]) == (60, 300)


def test_undefined_values_are_left_out_and_not_counted():
    values = np.random.default_rng(4).normal(0, 1, 50)
    holes = values.copy()
    holes[::2] = np.nan
    found = estimated(holes, np.arange(50))
    assert found.mean[0, 0] == pytest.approx(values[1::2].mean()) and found.count[0, 0] == 25
    assert np.isfinite(found.low[0, 0])


def test_one_case_has_no_interval_and_none_has_no_mean():
    found = estimated([1.0, 3.0, np.nan], [0, 0, 1], [0, 0, 1], 2)
    assert found.mean[0, 0] == 2 and math.isnan(found.low[0, 0])
    assert math.isnan(found.mean[1, 0]) and found.count[1, 0] == 0


def test_methods_are_told_apart_on_the_same_cases():
    """Cases differ far more than methods do, yet every case says the same of the methods."""
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 10, 80)
    values = np.concatenate([hard, hard + 1 + rng.normal(0, 0.1, 80), hard + rng.normal(0, 0.1, 80)])
    found = estimated(values, np.tile(np.arange(80), 3), np.repeat([0, 1, 2], 80), 3)
    assert found.low[1, 0] < found.high[0, 0]  # by their own intervals they would not be
    assert found.told_apart(0, 1, 0) and not found.told_apart(0, 2, 0)


# ---- tables


def test_the_leaderboard_has_means_counts_and_costs(run):
    table, board = results(run), leaderboard(gather([run]))
    done = table[table["error"] == ""]
    assert [row.label for row in board.rows] == list(METHODS)
    for row in board.rows:
        own = done[done["method"] == row.label]
        assert (row.edits, row.failures) == (len(own), 1 if row.label == "sdedit" else 0)
        for name in ("psnr", "mse", "both", "seconds", "evaluations"):
            assert row.cells[name].mean == pytest.approx(own[name].mean())
        assert row.cells["memory_mib"].mean == own["memory_mib"].median()
        low, mean, high = (getattr(row.cells["psnr"], part) for part in ("low", "mean", "high"))
        assert low < mean < high
    assert board.rows[0].cells["fid"].mean == 32 and math.isnan(board.rows[0].cells["fid"].low)


def test_the_best_value_is_marked_in_the_right_direction(run):
    board = leaderboard(gather([run]))
    for name, choose in (("psnr", max), ("mse", min), ("seconds", min), ("fid", min)):
        values = {row.label: row.cells[name].mean for row in board.rows}
        assert [row.label for row in board.best(name)] == [choose(values, key=values.get)]


def test_the_nearest_to_zero_is_the_best_where_that_is_what_counts():
    column = Column("spill", "spill", "", "zero", "measure")
    values = np.array([[-0.27, -0.14, 0.2]]).repeat(8, 0) + np.random.default_rng(0).normal(0, 0.001, (8, 3))
    found = estimated(values.flatten(), np.arange(8).repeat(3), np.tile(np.arange(3), 8), 3)
    assert _marks(list(found.mean[:, 0]), column, found) == ["", "best", ""]
    assert column.arrow == "→ 0"


def test_equal_values_are_no_ones_best():
    column = Column("both", "both", "%", "higher", "measure")
    assert _marks([0.0, 0.0, 0.0], column) == [""] * 3


def test_two_equal_methods_are_told_apart_about_5_times_of_100_and_of_few_cases_never():
    rng = np.random.default_rng(5)
    for cases, most in ((2, 0), (5, 0), (6, 0.07), (18, 0.07), (60, 0.07)):
        apart = 0
        for _ in range(600):
            values = rng.normal(0, 1, 2 * cases)
            found = estimated(values, np.arange(cases).repeat(2), np.tile([0, 1], cases), 2, resamples=2)
            apart += found.told_apart(0, 1, 0)
        assert apart <= most * 600
    values = np.stack([np.arange(6.0), np.arange(6) + 1 + 0.1 * rng.normal(size=6)], 1)
    assert estimated(values.flatten(), np.arange(6).repeat(2), np.tile([0, 1], 6), 2).told_apart(0, 1, 0)


def test_values_whose_distances_from_zero_are_equal_are_not_told_apart():
    """As -0.2 and 0.2, which differ; -0.2 and 0.4 are told apart."""
    rng = np.random.default_rng(6)
    values = np.array([-0.2, 0.2, 0.4]) + rng.normal(0, 0.01, (20, 3))
    found = estimated(values.flatten(), np.arange(20).repeat(3), np.tile(np.arange(3), 20), 3)
    assert found.told_apart(0, 1, 0) and not found.told_apart(0, 1, 0, from_zero=True)
    assert found.told_apart(0, 2, 0, from_zero=True)


@pytest.mark.parametrize(("freedom", "expected"), [(5, 2.5706), (9, 2.2622), (17, 2.1098), (60, 2.0003)])
def test_students_t_is_the_tables(freedom, expected):
    assert _t(freedom, 0.05) == pytest.approx(expected, abs=1e-4)


def test_students_t_is_the_tables_for_small_chances_too():
    assert _t(5, 0.001) == pytest.approx(6.8688, abs=1e-2) and _t(30, 0.002) == pytest.approx(3.3852, abs=1e-3)


def test_of_many_equal_methods_one_is_seldom_parted_from_the_best():
    rng, wrong, column = np.random.default_rng(3), 0, Column("psnr", "PSNR", "dB", "higher", "measure")
    for _ in range(300):
        found = estimated(
            rng.normal(0, 1, 10 * 12), np.arange(12).repeat(10), np.tile(np.arange(10), 12), 10, resamples=2
        )
        wrong += "" in _marks(list(found.mean[:, 0]), column, found)
    assert wrong <= 0.07 * 300


def test_a_single_method_is_the_best_of_nothing(tmp_path):
    board = leaderboard(gather([small_run(tmp_path / "run", ["sdedit"])]))
    assert {cell.mark for cell in board.rows[0].cells.values()} == {""}


def test_kinds_are_broken_down(run):
    gathered = gather([run])
    found, table = breakdown(gathered, leaderboard(gathered).columns), results(run)
    assert set(found) == {"accessory", "colour", "place"}
    for kind, cells in found.items():
        for cell, method in zip(cells["psnr"], METHODS, strict=True):
            own = table[(table["kind"] == kind) & (table["method"] == method)]
            assert cell.mean == pytest.approx(own["psnr"].mean())


def test_only_the_best_seed_counts_where_that_is_asked(run):
    chosen, table = gather([run], best_of_seeds="clip_score.inside").edits, results(run)
    assert len(chosen) == len(METHODS) * 6 and not chosen.duplicated(["case", "method"]).any()
    best = table.groupby(["case", "method"])["clip_score.inside"].max()
    assert chosen.set_index(["case", "method"])["clip_score.inside"].sort_index().equals(best.sort_index())
    lowest = gather([run], best_of_seeds="mse").edits.set_index(["case", "method"])["mse"]
    assert lowest.sort_index().equals(table.groupby(["case", "method"])["mse"].min().sort_index())


def test_the_best_seed_is_the_one_nearest_to_zero_where_that_is_what_counts(tmp_path):
    run = small_run(tmp_path / "run", ["sdedit"], cases=tiny_cases(1), seeds=(0, 1, 2))
    values = {0: -0.3, 1: -0.1, 2: 0.2}
    lines = [{"case": "case-000", "method": "sdedit", "seed": s, "values": {"spill": v}} for s, v in values.items()]
    (run.folder / "measures" / "0-of-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    about = {"spill": {"title": "spill", "unit": "", "better": "zero"}}
    (run.folder / "measures" / "about.json").write_text(json.dumps(about))
    assert list(gather([run], best_of_seeds="spill").edits["spill"]) == [-0.1]


def test_measures_of_all_seeds_are_left_out_where_seeds_are_chosen(run):
    assert "fid" in [column.name for column in leaderboard(gather([run])).columns]
    assert "fid" not in [column.name for column in leaderboard(gather([run], best_of_seeds="psnr")).columns]
    with pytest.raises(BadParameter, match=r"fid is a measure of all edits together, and is left out when"):
        gather([run], best_of_seeds="psnr", measures=["fid"])


def test_columns_are_those_asked_for_in_that_order(run):
    board = leaderboard(gather([run], measures=["mse", "fid", "psnr"]))
    names = [column.name for column in board.columns]
    assert names == ["mse", "psnr", "fid", "seconds", "evaluations", "memory_mib"]


@pytest.mark.parametrize("asked", [{"measures": ["beauty"]}, {"best_of_seeds": "beauty"}])
def test_an_unknown_measure_is_one_sentence_with_the_known_ones(run, asked):
    with pytest.raises(BadParameter, match=r"there is no measure 'beauty' here; the measures are: clip_score\.inside"):
        gather([run], **asked)


def test_values_are_shown_with_four_digits_and_shares_as_per_cent(run):
    board = leaderboard(gather([run]))
    psnr, both, seconds = (board.column(name) for name in ("psnr", "both", "seconds"))
    assert psnr.shown(27.2158) == "27.22" and both.shown(0.4286) == "42.9" and psnr.shown(math.nan) == "–"
    assert (psnr.heading, psnr.arrow, both.unit, seconds.heading) == ("PSNR (dB)", "↑", "%", "time (s)")


# ---- several runs


def test_several_runs_lie_in_one_table_and_equal_labels_are_told_apart(run, tmp_path):
    other = small_run(tmp_path / "other", ["sdedit", "null-text"], seeds=(0,), model="sd15")
    gathered = gather([run, other])
    labels = [method.label for method in gathered.methods]
    assert labels == ["prox-npi", "masactrl", "sdedit (run)", "sdedit (other)", "null-text"]
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


# ---- runs that lack something


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


# ---- the page


def read(text):
    """What the page's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def test_the_pages_numbers_are_those_of_the_csv(run):
    gathered = gather([run])
    board = leaderboard(gathered)
    table = pandas.read_csv(io.StringIO(as_text(board, "csv"))).set_index("method")
    text = page(gathered, 0)
    rows = re.findall(r"<tr>\s*<th scope=\"row\"><span class=\"name\">.*?</tr>", text, re.S)
    assert len(rows) == len(METHODS)
    for method, row in zip(METHODS, rows, strict=True):
        cells = dict(re.findall(r'data-column="([^"]+)" data-value="([^"]+)"', row))
        assert set(cells) == {column.name for column in board.columns}
        for name, value in cells.items():
            assert float(value) == table.loc[method, name]
            shown = re.search(rf'data-column="{name}".*?<span class="figure">(.*?)</span>', row, re.S)[1]
            assert shown == board.column(name).shown(table.loc[method, name])
        psnr = board.column("psnr")
        ends = (psnr.shown(table.loc[method, f"psnr.{end}"]) for end in ("low", "high"))
        assert '<span class="interval">{} – {}</span>'.format(*ends) in row
    whole = read(text)["kinds"][0]["cells"]
    assert [cell[0] for cell in whole["psnr"]] == list(table["psnr"])


def test_a_kind_that_is_called_all_is_a_kind(tmp_path):
    picture = Image.new("RGB", (8, 8), "teal")
    cases = [Case(Entry(f"{kind}-{i}", kind, "a cat"), picture) for kind in ("all", "pose") for i in range(2)]
    gathered = gather([small_run(tmp_path / "run", cases=cases)])
    kinds = read(page(gathered, 0))["kinds"]
    assert [(kind["name"], kind["cases"]) for kind in kinds] == [("all kinds", 4), ("all", 2), ("pose", 2)]
    means = [kind["cells"]["psnr"][0][0] for kind in kinds]
    table = results(gathered.runs[0])
    own = table[table["method"] == METHODS[0]].groupby("kind")["psnr"].mean()
    assert means[1:] == pytest.approx([own["all"], own["pose"]]) and means[0] == pytest.approx(
        (means[1] + means[2]) / 2
    )


def test_kinds_are_not_shown_where_there_is_one(tmp_path):
    picture = Image.new("RGB", (8, 8), "teal")
    cases = [Case(Entry(f"{i}", "all", "a cat"), picture) for i in range(2)]
    text = page(gather([small_run(tmp_path / "run", cases=cases)]), 0)
    assert read(text)["kinds"] == [] and 'id="kinds"' not in text


def test_the_page_needs_nothing_else_and_is_the_same_again(run):
    text = page(gather([run]), 3)
    assert text == page(gather([Run.open(run.folder)]), 3)
    markup = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
    assert not re.search(r"(?:src|href|action|url)\s*=?[\"'(]*\s*(?:https?:)?//", markup)
    assert text.count("</script") == text.count("<script>") + 1  # ours, and the data's


def test_words_of_users_stay_words(tmp_path):
    evil = "</script><script>alert(1)</script> & <b>\"'"
    case = Case(Entry(evil, evil, evil, evil), Image.new("RGB", (8, 8)))
    run = small_run(tmp_path / "run", [evil, "sdedit"], cases=[case], failing={(evil, "sdedit", 0)})
    text = page(gather([run]))
    assert "alert(1)</script>" not in text
    assert read(text)["gallery"][0]["target"] == evil


def test_the_first_words_say_who_is_best_and_at_what_cost(run):
    said = re.findall(r"<b>(.*?)</b> (.*?)</span></li>", page(gather([run]), 0))
    board = leaderboard(gather([run]))
    for label, words in said:
        row = next(row for row in board.rows if row.label == label)
        seconds = board.column("seconds").shown(row.cells["seconds"].mean)
        assert words.startswith(f"{seconds} s and {row.cells['evaluations'].mean:.0f} evaluations an edit: ")
    assert dict(said)["sdedit"].startswith("2.") and "the fastest" in dict(said)["sdedit"]
    assert "Of 6 cases the intervals come out too narrow" in page(gather([run]), 0)


@pytest.mark.parametrize(
    ("measures", "axes"),
    [
        ([], {"x": "psnr.outside", "y": "clip_score.inside"}),
        (["both", "mse"], {"x": "mse", "y": "both"}),
        (["psnr"], {"x": "seconds", "y": "psnr"}),
        (["asked", "both"], {"x": "both", "y": "asked"}),
    ],
)
def test_the_plane_sets_what_is_kept_against_what_is_changed(run, measures, axes):
    assert read(page(gather([run], measures=measures), 0))["axes"] == axes


def test_the_gallery_spreads_over_kinds_and_cases(tmp_path):
    gathered = gather([small_run(tmp_path / "run", ["sdedit"], cases=tiny_cases(40))])
    chosen = chosen_cases(gathered, 8)
    kinds = [gathered.entries[name].kind for name in chosen]
    assert kinds == [f"kind {i}" for i in range(4) for _ in range(2)]
    assert chosen[:2] == ["case-000", "case-020"]
    assert len(chosen_cases(gathered, 1000)) == 40 and chosen_cases(gathered, 0) == []


def test_pictures_in_the_page_are_small():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 900, 3), dtype=np.uint8))
    uri = data_uri(noise.resize((90, 60)).resize((900, 600)), 384)
    assert uri.startswith("data:image/webp;base64,") and len(uri) < 40_000
    assert data_uri(Image.new("L", (300, 300)), 384).startswith("data:image/png;base64,")


def test_a_run_of_2000_edits_is_reported_in_seconds(tmp_path):
    methods = [f"method {i}" for i in range(10)]
    run = small_run(tmp_path / "run", methods, cases=tiny_cases(200))
    began = time.monotonic()
    text = page(gather([run]), 60)
    assert time.monotonic() - began < 30  # on a busy machine; 3 s on an idle one
    assert len(read(text)["gallery"]) == 60


# ---- tables for papers


def test_tables_for_papers_escape_their_words_and_mark_the_best():
    columns = [
        Column("psnr", "PSNR", "dB", "higher", "measure", 2),
        Column("both", "both", "%", "higher", "measure", 1),
        Column("spill", "spill", "cosine × 100", "zero", "set", 1),
    ]
    cells = {"psnr": Cell(27.216, 26.9, 27.5, 9, "best"), "both": Cell(0.5, 0.4, 0.6, 9), "spill": Cell(-2.0)}
    board = Leaderboard(columns, [Row("a_b & c|d", 9, 0, cells)])
    assert as_text(board, "latex") == (
        "\\begin{tabular}{lrrr}\n\\toprule\nmethod & PSNR (dB) $\\uparrow$ & both (\\%) $\\uparrow$ & "
        "spill (cosine $\\times$ 100) $\\rightarrow$ 0 \\\\\n\\midrule\n"
        "a\\_b \\& c|d & \\textbf{27.22 $\\pm$ 0.30} & 50.0 $\\pm$ 10.0 & -2.0 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )
    assert as_text(board, "markdown") == (
        "| method | PSNR (dB) ↑ | both (%) ↑ | spill (cosine × 100) → 0 |\n| --- | ---: | ---: | ---: |\n"
        "| a\\_b & c\\|d | **27.22 ± 0.30** | 50.0 ± 10.0 | -2.0 |\n"
    )


# ---- the command


def test_the_command_writes_the_page_into_the_run(run):
    done = retouch("report", run.folder, "--gallery", 1)
    assert (done.returncode, done.stdout) == (0, "") and "report.html: 36 of 36 edits" in done.stderr
    assert (run.folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    again = retouch("report", run.folder)
    assert again.returncode == 2 and "exists already: give another name, or --force" in again.stderr
    forced = retouch("report", run.folder, "--force", "--quiet", "--gallery", 1)
    assert (forced.returncode, forced.stderr) == (0, "")
    assert list(run.folder.glob("*.tmp")) == list(run.folder.glob(".*.tmp")) == []


def test_the_command_prints_tables_and_writes_them(run, tmp_path):
    done = retouch("report", run.folder, "--format", "csv", "--measures", "psnr, both")
    assert done.returncode == 0
    assert list(pandas.read_csv(io.StringIO(done.stdout)).columns) == [
        "method", "edits", "failures", "psnr", "psnr.low", "psnr.high", "psnr.count", "both", "both.low", "both.high",
        "both.count", "seconds", "evaluations", "memory_mib",
    ]  # fmt: skip
    done = retouch("report", run.folder, "--format", "latex", "-o", tmp_path / "table.tex")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "table.tex").read_text().startswith("\\begin{tabular}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "pdf"], "--format is 'pdf', expected one of html, csv, latex, markdown."),
        (["-o", "table.tex"], "name a .html file, or give --format."),
        (["--format", "csv", "-o", "page.html"], "name another file, or leave --format out."),
        (["-o", "nowhere/page.html"], "does not exist: make it first."),
        (["-o", f"{'long' * 64}.html"], "cannot be written (File name too long): give another name."),
        (["--best-of-seeds", "beauty", "--format", "csv"], "there is no measure 'beauty' here"),
    ],
)
def test_bad_input_is_one_line(run, arguments, sentence):
    done = retouch("report", run.folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_without_a_run_is_one_line(tmp_path):
    done = retouch("report", tmp_path)
    assert done.returncode == 2 and "holds no run" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["pandas", "jinja2", "plotly"])
def test_a_library_that_is_not_there_is_one_sentence(run, monkeypatch, name):
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"{name} is not installed: get it with pip install 'retouch\[bench\]'"):
        page(gather([run]), 0)


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadRun, match="No space left on device"):
        write_text("text", tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "report.html").write_text("kept")
    with pytest.raises(OutputExists):
        write_text("text", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "kept"
