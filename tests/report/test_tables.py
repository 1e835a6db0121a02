"""The report's tables: means, marks, units, and what is counted."""

import json
import math

import numpy as np
import pandas
import pytest

from retouch.errors import BadParameter
from retouch.report import as_text, gather, leaderboard, page
from retouch.report.columns import Column
from retouch.report.tables import _marks, breakdown
from retouch.runs.results import results
from retouch.student_t import student_t
from tests.report.common import estimated, tiny_cases
from tests.runs.painted import METHODS, small_run


def test_the_leaderboard_has_means_counts_and_costs(run):
    table, board = results(run), leaderboard(gather([run]))
    done = table[table["error"] == ""]
    assert sorted(row.label for row in board.rows) == sorted(METHODS)
    for row in board.rows:
        own = done[done["method"] == row.label]
        assert (row.edits, row.failures) == (len(own), 1 if row.label == "sdedit" else 0)
        for name in ("psnr", "mse", "both", "seconds", "evaluations"):
            assert row.cells[name].mean == pytest.approx(own[name].mean())
        assert row.cells["memory_mib"].mean == own["memory_mib"].median()
        low, mean, high = (getattr(row.cells["psnr"], part) for part in ("low", "mean", "high"))
        assert low < mean < high
    fids = {row.label: row.cells["fid"] for row in board.rows}
    assert fids["prox-npi"].mean == 32 and math.isnan(fids["prox-npi"].low)


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


def test_the_nearest_to_one_is_the_best_where_that_is_what_counts():
    column = Column("sharpness", "sharpness", "", "one", "measure")
    values = np.array([[0.7, 1.1, 1.4]]).repeat(8, 0) + np.random.default_rng(0).normal(0, 0.001, (8, 3))
    found = estimated(values.flatten(), np.arange(8).repeat(3), np.tile(np.arange(3), 8), 3)
    assert _marks(list(found.mean[:, 0]), column, found) == ["", "best", ""]
    assert column.arrow == "→ 1"


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
    assert found.told_apart(0, 1, 0) and not found.told_apart(0, 1, 0, ideal=0)
    assert found.told_apart(0, 2, 0, ideal=0)
    assert found.told_apart(0, 1, 0, ideal=1) and found.told_apart(0, 2, 0, ideal=0.1) is False


@pytest.mark.parametrize(("freedom", "expected"), [(5, 2.5706), (9, 2.2622), (17, 2.1098), (60, 2.0003)])
def test_students_t_is_the_tables(freedom, expected):
    assert student_t(freedom, 0.05) == pytest.approx(expected, abs=1e-4)


def test_students_t_is_the_tables_for_small_chances_too():
    assert student_t(5, 0.001) == pytest.approx(6.8688, abs=1e-2) and student_t(30, 0.002) == pytest.approx(
        3.3852, abs=1e-3
    )


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
        for cell, method in zip(cells["psnr"], gathered.methods, strict=True):
            own = table[(table["kind"] == kind) & (table["method"] == method.name)]
            assert cell.mean == pytest.approx(own["psnr"].mean())


def test_only_the_best_seed_counts_where_that_is_asked(run):
    chosen, table = gather([run], best_of_seeds="clip_score.inside").edits, results(run)
    assert len(chosen) == len(METHODS) * 6 and not chosen.duplicated(["case", "method"]).any()
    best = table.groupby(["case", "method"])["clip_score.inside"].max()
    assert chosen.set_index(["case", "method"])["clip_score.inside"].sort_index().equals(best.sort_index())
    lowest = gather([run], best_of_seeds="mse").edits.set_index(["case", "method"])["mse"]
    assert lowest.sort_index().equals(table.groupby(["case", "method"])["mse"].min().sort_index())


def test_choosing_costs_what_all_seeds_do_and_is_said(run):
    whole, chosen = results(run), gather([run], best_of_seeds="clip_score.inside")
    assert whole["seed"].nunique() == 2
    for name in ("seconds", "evaluations"):
        spent = whole[whole["error"] == ""].groupby(["case", "method"])[name].sum()
        pandas.testing.assert_series_equal(
            chosen.edits.set_index(["case", "method"])[name].sort_index(), spent.sort_index(), check_dtype=False
        )
    said = "Of the seeds of a case, 2, only the one that is best by clip_score.inside counts; time and evaluations are"
    assert said in page(chosen, 0)
    assert all(said in as_text(leaderboard(chosen), form).replace(r"\_", "_") for form in ("markdown", "latex"))


def test_methods_that_had_fewer_seeds_to_choose_from_are_named(tmp_path):
    few = small_run(tmp_path / "few", ["sdedit"], cases=tiny_cases(2))
    many = small_run(tmp_path / "many", ["masactrl"], cases=tiny_cases(2), seeds=(0, 1, 2))
    gathered = gather([few, many], best_of_seeds="psnr")
    assert "Of the seeds of a case, 1 to 3 (" in leaderboard(gathered).remarks[0]
    assert "sdedit 1" in leaderboard(gathered).remarks[0] and "masactrl 3" in leaderboard(gathered).remarks[0]


def test_of_equal_methods_the_cheaper_stands_first(tmp_path):
    run = small_run(tmp_path / "run", ["null-text", "sdedit", "prox-npi"], cases=tiny_cases(2))
    lines = [
        {"case": case, "method": method, "seed": 0, "values": {"both": 1.0}}
        for case in ("case-000", "case-001") for method in run.manifest.methods
    ]  # fmt: skip
    (run.folder / "measures" / "0-of-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [method.label for method in gather([run], by="both").methods] == ["sdedit", "prox-npi", "null-text"]


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
