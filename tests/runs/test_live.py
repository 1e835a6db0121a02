"""Measures that are written while a run goes on, and a table that follows it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from retouch.measures.models import Models
from retouch.report import gather, page
from retouch.runs.bench import bench
from retouch.runs.edits import local
from retouch.runs.manifest import Record
from retouch.runs.results import measured_lines, results
from retouch.runs.run import Run
from retouch.runs.take import Measuring
from retouch.runs.tally import Tally
from retouch.runs.writer import Writer
from tests.runs.quick import FAST, SUITE, manifest
from tests.test_cli import retouch

pytestmark = pytest.mark.slow


@pytest.fixture
def run(editor, tmp_path):
    return Run.create(tmp_path / "run", manifest(editor))


def measuring(names=("psnr",)):
    found = Measuring(names, SUITE, Models(None, None))
    found.load(Path("/nowhere"), lambda sentence: None)
    return found


class Stopped(Exception):
    """In the place of a kill."""


def test_a_run_that_broke_off_is_measured_so_far_and_can_be_reported(editor, run):
    seen = []

    def some(works):
        for number, made in enumerate(local(editor)(works)):
            if number == 3 * len(FAST):  # three cases, and the fourth not
                raise Stopped
            yield made

    with (
        pytest.raises(Stopped),
        measuring().as_they_come(run, "0/1", lambda record, values: seen.append(record.key)) as one,
    ):
        bench(run, SUITE, some, after=one)
    there = {(row["case"], row["method"], row["seed"]) for row in measured_lines(run)}
    assert there == set(seen) and len({case for case, *_ in there}) == 2  # the third waited for the next
    text = page(gather([Run.open(run.folder)]), 2)
    assert text.count("not complete") == 1 and "not measured yet" in text
    with measuring().as_they_come(run, "0/1") as one:
        bench(run, SUITE, local(editor), after=one)
    measuring().take(run, [entry.id for entry in SUITE.entries], "0/1", lambda sentence: None)
    assert results(run)["psnr"].notna().all() and len(results(run)) == len(SUITE.entries) * len(FAST)
    lines = [json.loads(line) for line in (run.folder / "measures" / "0-of-1.jsonl").read_text().splitlines()]
    assert len(lines) == len(results(run))  # each once


def tallied(run, cases, seeds=(0,)):
    return Tally(run, SUITE, list(run.manifest.methods), cases, seeds, measuring().names)


def test_a_tally_is_of_what_a_command_asks_for_and_counts_an_edit_once(run):
    first, second, *_ = [entry.id for entry in SUITE.entries]
    with Writer.opened(run) as writer:
        for case, seed, error in ((first, 0, ""), (first, 1, ""), (second, 0, "no memory")):
            made = None if error else Image.new("RGB", (8, 8))
            writer.finish(Record(case, "", FAST[0], seed, 1.0 + seed, 2, error=error), made)
    tally = tallied(run, [first])
    assert tally.rows()[0][1:3] == ["1 of 1", ""] and float(tally.rows()[0][-1]) == 1
    assert [row[1] for row in tallied(run, [first, second], (0, 1)).rows()] == ["3 of 4", "0 of 4"]
    tally = tallied(run, [second])
    assert tally.rows()[0][1:3] == ["1 of 1", "1"]
    for both in (0.0, 1.0):  # made again, and again
        tally.finished(record := Record(second, "", FAST[0], 0, 3.0, 2))
        tally.measured(record, {"both": both})
        assert tally.rows()[0][1:3] == ["1 of 1", ""] and [float(one) for one in tally.rows()[0][3:]] == [100 * both, 3]


def test_a_tally_says_what_the_table_says(editor, run):
    with measuring().as_they_come(run, "0/1") as one:
        bench(run, SUITE, local(editor), after=one)
    tally, table = tallied(run, [entry.id for entry in SUITE.entries]), results(run)
    assert tally.main.name == "both" and tally.headings[3] == "asked change there, all else kept (%)"
    for label, edits, failed, both, seconds in tally.rows():
        own = table[table["method"] == label]
        assert (edits, failed) == (f"{len(own)} of {len(own)}", "")
        assert float(both) == pytest.approx(100 * own["both"].mean(), abs=0.01)
        assert float(seconds) == pytest.approx(own["seconds"].mean(), abs=0.01)


def test_watched_a_run_shows_its_methods(tmp_path):
    asked = ("bench", "diorama", "-o", tmp_path / "run", "--methods", "none", "--variant",
             "quick=sdedit:num_inference_steps=2", "--kinds", "colour", "--count", 2, "--measures", "psnr")  # fmt: skip
    done = retouch(*asked, "--watch")
    assert done.returncode == 0 and done.stdout == ""
    heading, row = [line for line in done.stderr.splitlines() if line.startswith(("method", "quick"))]
    assert "asked change there, all else kept (%)" in heading and "2 of 2" in row


def test_a_run_with_nothing_left_to_do_writes_nothing(tmp_path):
    asked = ("bench", "diorama", "-o", tmp_path / "run", "--methods", "none", "--variant",
             "quick=sdedit:num_inference_steps=2", "--kinds", "colour", "--count", 2, "--measures", "psnr")  # fmt: skip
    times = []
    for _ in range(2):
        assert retouch(*asked).returncode == 0
        files = [path for path in sorted((tmp_path / "run").rglob("*")) if path.is_file() and path.suffix != ".lock"]
        times.append({path.name: path.stat().st_mtime_ns for path in files})
    assert times[0] == times[1]
