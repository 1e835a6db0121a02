"""A run's table in Parquet: a file for each shard, which together are the table, and are written only when new."""

import json
import shutil

import pandas
import pytest
from PIL import Image

from retouch.measures.registry import measures_for
from retouch.runs.files import BadRun
from retouch.runs.manifest import Manifest, Record
from retouch.runs.measuring import measure
from retouch.runs.parquet import write_results
from retouch.runs.results import results
from retouch.runs.run import Run
from retouch.runs.writer import Writer
from retouch.suites.suite import Case, Entry

KEY = ["case", "method", "seed"]


def add(run, shard, numbers, error=""):
    with Writer.opened(run, shard) as writer:
        for number in numbers:
            entry = Entry(f"case-{number}", "all", "a cat")
            run.store(Case(entry, Image.new("RGB", (24, 24), "red")))
            made = None if error else Image.new("RGB", (24, 24), (200, number, 0))
            writer.finish(Record(entry.id, "all", "theirs", 0, 1.0, 10, error=error), made)


@pytest.fixture
def run(tmp_path):
    methods = {"theirs": {"method": "ddim", "settings": {}}}
    run = Run.create(
        tmp_path / "run", Manifest({"suite": "table", "edits": 4}, {"name": "", "fingerprint": ""}, methods, [0])
    )
    add(run, "0/2", [0, 2])
    measure(run, measures_for(None, ["psnr"])[0], shard="0/2")
    write_results(run)
    return run


def stored(run):
    return pandas.read_parquet(run.folder / "results").sort_values(KEY).reset_index(drop=True)


def same(run):
    pandas.testing.assert_frame_equal(stored(run), results(run), check_dtype=False)


def written(run):
    """The files by name, each with the place on the disk that tells a rewritten one from one that was left."""
    return {path.name: path.stat().st_ino for path in (run.folder / "results").iterdir()}


def test_each_shard_writes_its_own_rows(run):
    assert [*written(run)] == ["0-of-2.parquet"] and len(stored(run)) == 2
    before = written(run)
    add(run, "1/2", [1, 3])
    measure(run, measures_for(None, ["psnr"])[0], shard="1/2")
    write_results(run)
    assert [*sorted(written(run))] == ["0-of-2.parquet", "1-of-2.parquet"]
    assert written(run)["0-of-2.parquet"] == before["0-of-2.parquet"]
    assert {*pandas.read_parquet(run.folder / "results" / "1-of-2.parquet").case} == {"case-1", "case-3"}
    same(run)
    measure(run, measures_for(None, ["ssim"])[0])  # a column more, in every file
    write_results(run)
    same(run)
    assert "ssim" in stored(run).columns


def test_an_edit_that_another_shard_made_again_is_there_once(run):
    add(run, "1/2", [1, 3], error="no memory")
    write_results(run)
    same(run)
    assert list(stored(run).error) == ["", "no memory", "", "no memory"]
    add(run, "0/1", [1, 3])
    write_results(run)
    same(run)
    assert [*sorted(written(run))] == ["0-of-1.parquet", "0-of-2.parquet"] and set(stored(run).error) == {""}


def test_what_is_up_to_date_is_not_read_again(run, monkeypatch):
    monkeypatch.setattr("retouch.runs.parquet.results", lambda run: pytest.fail("it was read"))
    before = written(run)
    write_results(run)
    assert written(run) == before


def test_a_damaged_or_missing_file_is_written_again(run):
    path = run.folder / "results" / "0-of-2.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    (run.folder / "run.json").touch()
    write_results(run)
    assert path.read_bytes() == whole
    shutil.rmtree(run.folder / "results")
    write_results(run)
    same(run)


def test_each_file_says_what_was_run(run):
    from pyarrow.parquet import read_schema

    said = json.loads(read_schema(run.folder / "results" / "0-of-2.parquet").metadata[b"retouch"])
    assert said["methods"] == {"theirs": {"method": "ddim", "settings": {}}} and said["suite"]["edits"] == 4


def test_a_file_in_the_place_of_the_folder_is_a_sentence(run):
    shutil.rmtree(run.folder / "results")
    (run.folder / "results").write_text("mine")
    with pytest.raises(BadRun, match=r"results' cannot be made"):
        write_results(run)
