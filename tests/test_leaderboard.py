"""What `make leaderboard` writes, of a run of two cases and two quick methods, as drawn and kept."""

import re

import pytest
from PIL import Image

from retouch.runs.results import results
from retouch.runs.run import Run
from tests.test_cli import retouch
from tests.test_docs import generator

pytestmark = pytest.mark.slow

METHODS = ("edit-friendly:num_inference_steps=4", "sdedit:num_inference_steps=4")
ROW = re.compile(r"\| `([^`]*)` \| (.*) \|")


def bench(folder, *more):
    variants = [part for label in METHODS for part in ("--variant", label)]
    command = ("bench", "diorama", "-o", folder, "--methods", "none", *variants, "--count", 1, "--kinds", "colour,pose")
    assert retouch(*command, "-q", *more).returncode == 0
    return Run.open(folder)


def test_the_page_says_what_keeping_kept_and_the_rest_is_of_drawn_edits(tmp_path):
    script, run = generator("make_leaderboard"), bench(tmp_path / "run", "--keep", "both")
    short, long = script.blocks(run)
    assert short.startswith(script.BEGIN) and long.startswith(short.removesuffix(script.END)) and "→" not in short
    rows = dict(ROW.findall(short))
    assert set(rows) == set(METHODS)
    means = results(run).groupby("method").mean(numeric_only=True)
    for label, cells in ROW.findall(long.removeprefix(short.removesuffix(script.END))):
        drawn, kept = means.loc[label], means.loc[f"{label} kept"]
        for name, cell in zip(script.KEEPING, cells.split(" | "), strict=True):
            times, unit = (100, 0.5) if name in ("both", "untouched.outside") else (1, 0.05)
            one, other = (100.0 if part == "identical" else float(part) for part in cell.split(" → "))
            assert abs(one - times * drawn[name]) <= unit and abs(other - times * kept[name]) <= unit
        assert kept["untouched.outside"] > drawn["untouched.outside"]
    assert {row["method"] for row in script.by_kind(run)["rows"]} == set(METHODS)
    script.grid(run, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.width == 2 * (112 + 8) - 8  # input, truth and two methods: two rows of two for each kind


def test_a_run_without_kept_edits_has_no_such_table(tmp_path):
    short, long = generator("make_leaderboard").blocks(bench(tmp_path / "run"))
    assert short == long and "→" not in long
