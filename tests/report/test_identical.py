"""Edits that change nothing are the rule where the rest is kept: 100 dB and a word, in every table, plot and file."""

import io
import json
import re

import pandas
import pytest
from PIL import Image, ImageFilter

from retouch.measures.registry import measures_for
from retouch.quantity import IDENTICAL, MOST_DIFFERENT, decibels, shown
from retouch.report import as_text, gather, leaderboard, page
from retouch.runs.manifest import Manifest, Record
from retouch.runs.measuring import measure
from retouch.runs.parquet import write_results
from retouch.runs.run import Run
from retouch.runs.writer import Writer
from retouch.suites.suite import Case, Entry
from tests.measures.stand_ins import pictures
from tests.report.common import read

HANDS = {
    "copy": lambda image: image,
    "too": lambda image: image.copy(),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
}


def strictly(text):
    """JSON as the standard has it: without NaN and Infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def made(folder, hands, count=7):
    """A run of pictures that were copied or blurred in place of edited, measured."""
    mask = Image.new("L", (24, 24))
    mask.paste(255, (4, 4, 10, 10))
    seen = (pictures(count, 24, 24) * 255).permute(0, 2, 3, 1).byte().numpy()
    cases = [
        Case(Entry(f"case-{i}", "all", "a cat", "a dog"), Image.fromarray(seen[i]).filter(ImageFilter.BoxBlur(1)), mask)
        for i in range(count)
    ]
    suite = {"suite": "table", "edits": count}
    methods = {label: {"method": "ddim", "settings": {}} for label in hands}
    run = Run.create(folder, Manifest(suite, {"name": "none", "fingerprint": "0"}, methods, [0]))
    with Writer.opened(run) as writer:
        for case in cases:
            run.store(case)
            for label in hands:
                writer.finish(Record(case.entry.id, "all", label, 0, 1.0, 10), HANDS[label](case.picture))
    names = ["psnr", "psnr.outside", "pie.psnr", "ssim", "mse", "keeping"]
    measure(run, measures_for(None, names)[0])
    write_results(run)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("identical") / "run", HANDS)


def test_what_is_stored_is_strict_json_with_numbers(run):
    lines = [strictly(line) for line in (run.folder / "measures" / "0-of-1.jsonl").read_text().splitlines()]
    copied = [line["values"] for line in lines if line["method"] == "copy"]
    assert len(copied) == 7
    for values in copied:
        assert {values[name] for name in ("psnr", "psnr.outside", "pie.psnr")} == {100}
        assert (values["untouched"], values["shift"], values["sharpness"], values["tone_drift"]) == (1, 0, 1, 0)
    assert all(line["values"]["psnr"] < MOST_DIFFERENT for line in lines if line["method"] == "blur")
    stored = pandas.read_parquet(run.folder / "results")
    assert set(stored[stored.method == "too"]["psnr.outside"]) == {100}


def test_identical_methods_are_both_the_best_and_their_means_are_100(run):
    board = leaderboard(gather([run]))
    for name in ("psnr", "psnr.outside", "pie.psnr", "untouched.outside", "sharpness", "tone_drift"):
        assert [row.cells[name].mark for row in board.rows] == ["best", "best", ""], name
    cell = board.rows[0].cells["psnr"]
    assert (cell.mean, cell.low, cell.high) == (100, 100, 100)


def test_tables_say_identical_and_csv_says_100(run):
    board = leaderboard(gather([run], measures=["psnr.outside", "untouched"]))
    for form, bold in (
        ("markdown", "| **identical** | **100.0 ± 0.0** |"),
        ("latex", r"\textbf{identical} & \textbf{1"),
    ):
        text = as_text(board, form)
        assert text.count(bold) == 2 and "nan" not in text and "inf" not in text, text
    frame = pandas.read_csv(io.StringIO(as_text(board, "csv")))
    assert list(frame["psnr.outside"])[:2] == [100, 100] and frame["psnr.outside"][2] < 50


def test_the_page_holds_numbers_for_places_and_the_word_for_people(run):
    text = page(gather([run]), 2)
    data = read(text)
    strictly(json.dumps(data))
    place = data["points"]["psnr.outside"][0]
    assert place == [100, 100, 100, "identical", "100.0 to 100.0"]
    assert ["PSNR (dB)", "identical"] in data["gallery"][0]["edits"][0]["values"]
    assert "identical dB" not in text and "</b> (identical)" in text  # what is said first of the best


@pytest.mark.parametrize("hands", [["copy"], ["copy", "too"]])
def test_where_every_edit_is_identical_nothing_is_best_and_the_page_is_whole(tmp_path, hands):
    run = made(tmp_path / "run", hands, count=2)
    gathered = gather([run])
    assert all(not row.cells["psnr"].mark for row in leaderboard(gathered).rows)
    assert "identical" in page(gathered, 2) and "identical" in as_text(leaderboard(gathered), "markdown")


def test_a_mean_over_some_identical_edits_says_how_many(tmp_path):
    run = made(tmp_path / "run", ["copy", "blur"])
    seen, given = run.records(), HANDS["blur"](run.case("case-0").picture)
    record = next(one for one in seen if (one.case, one.method) == ("case-0", "copy"))
    given.save(run.edit_path(record))
    (run.folder / "measures" / "0-of-1.jsonl").unlink()
    measure(run, measures_for(None, ["psnr", "mse"])[0])
    gathered = gather([run])
    board = leaderboard(gathered)
    cells = {row.label: row.cells["psnr"] for row in board.rows}
    assert (cells["copy"].identical, cells["blur"].identical) == (6, 0) and cells["copy"].mixed
    assert not cells["blur"].mixed and 80 < cells["copy"].mean < 100
    assert re.search(r"[89]\d\.\d+ ± \d+\.\d+ \(6 identical\)", as_text(board, "markdown"))
    assert "count as 100 dB in a mean" in as_text(board, "latex")
    assert list(pandas.read_csv(io.StringIO(as_text(board, "csv")))["psnr.identical"]) == [6, 0]
    assert "6 identical</span>" in page(gathered, 0)


def test_a_mean_of_identical_and_other_edits_is_a_number():
    assert shown(99.996, "dB") == "100.0" and shown(IDENTICAL, "dB", with_unit=True) == "identical"
    assert (decibels(0), decibels(1e-30), decibels(1)) == (100, MOST_DIFFERENT, 0)
    assert shown(None) == "–" == shown(float("nan"), "dB", with_unit=True)
