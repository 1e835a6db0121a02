"""Edits in a row: each on the result of the one before, resumed where it was, measured against the first picture."""

import json
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from retouch.diorama.drift import Drift
from retouch.diorama.suite import DioramaSuite
from retouch.errors import BadParameter
from retouch.explore.drift import drift_of, run_drift
from retouch.explore.preservation import psnr, ssim
from retouch.report import gather
from retouch.report.tables import breakdown, leaderboard
from retouch.runs.bench import begin, bench
from retouch.runs.edits import edits, local
from retouch.runs.files import BadRun
from retouch.runs.on_ray import _results
from retouch.runs.run import Run
from retouch.runs.variants import kept, read_variants
from retouch.suites.suite import BadSuite
from retouch.suites.table import Table
from tests.runs.quick import Counting
from tests.test_cli import retouch

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drift")]

QUICK = ["edit-friendly:num_inference_steps=2", "sdedit:num_inference_steps=2"]
SUITE = Drift(count=2, edits=3)


def started(folder, editor, keep="off", texts=QUICK, suite=SUITE, **more):
    return begin(folder, suite, editor, kept(read_variants([], texts), keep), **more)


def pictures(run):
    return {record.key: run.edit(record).tobytes() for record in run.records() if not record.error}


@pytest.fixture(scope="module")
def whole(editor, tmp_path_factory):
    """Two chains of three edits by two methods, as drawn and kept."""
    folder = tmp_path_factory.mktemp("drift") / "whole"
    return run_drift(folder, editor, variants=QUICK, keep="both", edits=3, count=2)


def test_each_edit_is_made_on_the_result_of_the_one_before(editor, whole):
    for label, keep in (("edit-friendly:num_inference_steps=2", "off"), (f"{QUICK[0]} kept", "auto")):
        for chain in ("1000", "1001"):
            entries = [entry for entry in SUITE.entries if entry.chain == chain]
            now = SUITE.case(entries[0]).picture
            for entry in entries:
                result = editor.edit(
                    now, source=entry.source, target=entry.target, method="edit-friendly", keep=keep,
                    num_inference_steps=2,
                )  # fmt: skip
                now = result.image
                record = next(one for one in whole.run.records() if one.key == (entry.id, label, 0))
                assert whole.run.edit(record).tobytes() == now.tobytes()
                assert record.evaluations == result.evaluations


def test_the_table_is_of_the_pictures(whole):
    measured = ["untouched", "psnr", "ssim", "shift", "sharpness", "tone_drift"]
    assert list(whole.about) == ["asked", "kept", "both", *(f"{name}.outside" for name in measured)]
    labels = [name for label in QUICK for name in (label, f"{label} kept")]
    assert [(row.method, row.edits) for row in whole.rows] == [(label, n) for label in labels for n in (1, 2, 3)]
    assert all((row.count, row.failures) == (2, 0) for row in whole.rows)
    for row in (whole.rows[2], whole.rows[4]):
        values = []
        for chain in ("1000", "1001"):
            case = whole.run.case(f"{chain}-{row.edits:03}")
            edit = whole.run.edit(
                next(one for one in whole.run.records() if (one.case, one.method) == (case.entry.id, row.method))
            )
            outside = Image.eval(case.mask, lambda value: 255 - value)
            first, later, keep = (np.asarray(one) for one in (case.picture, edit, outside))
            same = (first == later).all(2)[keep > 0].mean()
            tone = np.abs((later.astype(float) - first)[keep > 0].mean(0)).mean()
            values.append((same, psnr(case.picture, edit, outside), ssim(case.picture, edit, outside), tone))
        names = ("untouched", "psnr", "ssim", "tone_drift")
        for name, value in zip(names, np.mean(values, 0), strict=True):
            assert row.values[f"{name}.outside"] == pytest.approx(value, rel=1e-4)


def test_kept_chains_drift_less(whole):
    last = {row.method: row.values for row in whole.rows if row.edits == 3}
    for label in QUICK:
        assert last[f"{label} kept"]["untouched.outside"] > last[label]["untouched.outside"]
        assert last[f"{label} kept"]["psnr.outside"] > last[label]["psnr.outside"]


def test_the_folder_holds_table_figures_and_a_strip_for_each_chain(whole):
    folder = whole.run.folder
    assert (folder / "drift.md").read_text() == whole.markdown()
    assert whole.markdown().count(f"| `{QUICK[0]} kept` | ") == 3 and "Means over 2 chains" in whole.markdown()
    figures = json.loads((folder / "drift.json").read_text())
    assert len(figures["rows"]) == 12 and figures["suite"]["asked"] == ["colour", "accessory"]
    assert figures["rows"][0]["psnr.outside"] == whole.rows[0].values["psnr.outside"]
    assert sorted(path.name for path in (folder / "strips").iterdir()) == ["1000.png", "1001.png"]
    with Image.open(folder / "strips" / "1000.png") as strip:
        rows, columns = 1 + 4, 1 + 3
        assert strip.size == (columns * 200 - 8, rows * (192 + 6 + 14 * 4 + 8) - 8)
    assert drift_of(Run.open(folder)).rows == whole.rows


def test_a_report_breaks_drift_down_by_the_number_of_edits(whole):
    gathered = gather([whole.run])
    assert gathered.kinds == ["edit 1", "edit 2", "edit 3"] and gathered.made == gathered.wanted == 24
    found = breakdown(gathered, leaderboard(gathered).columns)
    place = [method.label for method in gathered.methods].index(whole.rows[1].method)
    assert found["edit 2"]["psnr.outside"][place].mean == pytest.approx(whole.rows[1].values["psnr.outside"])


@pytest.mark.parametrize("stop_after", [1, 7])
def test_chains_that_broke_off_go_on(editor, whole, tmp_path, stop_after):
    first, second = Counting(editor, stop_after), Counting(editor)
    with pytest.raises(RuntimeError):
        bench(started(tmp_path, editor), SUITE, first)
    run = started(tmp_path, editor)
    done = bench(run, SUITE, second)
    assert (done.now, done.there, done.total) == (12 - stop_after, 12, 12) and not set(first.asked) & set(second.asked)
    assert pictures(run) == {key: data for key, data in pictures(whole.run).items() if "kept" not in key[1]}


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
from retouch.cli import main
sys.argv = ["retouch", "bench", "drift", "-o", sys.argv[1], "--methods", "none", "--variant", sys.argv[2],
    "--variant", sys.argv[3], "--keep", "both", "--edits", "3", "--count", "2", "--quiet"]
main()
"""


def test_a_killed_command_goes_on_with_the_same_pictures(whole, tmp_path):
    """A real SIGKILL in the middle of a chain."""
    command, folder = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), *QUICK], tmp_path / "run"
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while process.poll() is None and len(list(folder.glob("edits/*/*.png"))) < 4:
            time.sleep(0.02)
        process.kill()
    seen = {path: path.read_bytes() for path in folder.glob("edits/*/*.png")}
    assert 4 <= len(seen) < 24 and not (folder / "drift.md").exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(path.read_bytes() == data for path, data in seen.items())
    run = Run.open(folder)
    assert pictures(run) == pictures(whole.run) and drift_of(run).rows == whole.rows
    assert (folder / "drift.md").read_text() == whole.markdown()
    assert "edit-friendly:num_inference_steps=2 kept" in done.stdout and "tone_drift" in done.stdout
    assert "Means over 2 chains; outside of all" in done.stdout


def test_an_edit_whose_picture_is_gone_and_those_after_it_are_made_again(editor, whole, tmp_path):
    run = started(tmp_path, editor, texts=QUICK[1:])
    bench(run, SUITE, local(editor))
    run.edit_path(next(one for one in run.records() if one.case == "1000-002")).unlink()
    counting = Counting(editor)
    assert bench(run, SUITE, counting).there == 6
    assert [case for case, _, _ in counting.asked] == ["1000-002", "1000-003"]
    assert pictures(run) == {key: data for key, data in pictures(whole.run).items() if key[1] == QUICK[1]}


@pytest.mark.parametrize("keep", ["off", "auto"])
def test_outside_the_mask_every_byte_stays_however_many_edits_follow(editor, tmp_path, keep):
    drift = run_drift(tmp_path, editor, variants=QUICK, keep=keep, masks=True, edits=4, count=1)
    case = drift.run.case("1000-001")
    outside, first = np.asarray(case.mask) == 0, np.asarray(case.picture)
    assert outside.mean() > 0.3
    for record in drift.run.records():
        edit = np.asarray(drift.run.edit(record))
        assert (edit == first)[outside].all() and not (edit == first).all()
    for row in drift.rows:
        assert row.values["untouched.outside"] == 1 and row.values["psnr.outside"] == 100
        assert row.values["shift.outside"] == row.values["tone_drift.outside"] == 0
        assert row.values["sharpness.outside"] == 1
    assert drift.markdown().count("| 100.0 | identical | ") == len(drift.rows) == 8


def test_a_chain_ends_where_an_edit_fails_and_can_be_tried_again(editor, tmp_path):
    asked = []

    class Faulty:
        """Fails at the second edit."""

        model = editor.model

        def edit(self, picture, **given):
            asked.append(given["target"])
            if len(asked) == 2:
                raise BadParameter("no luck.")
            return editor.edit(picture, **given)

    suite = Drift(count=1, edits=3)
    run = started(tmp_path / "run", editor, texts=QUICK[1:], suite=suite)
    done = bench(run, suite, local(Faulty()))
    assert (done.there, done.failed, done.reason) == (1, 2, "no luck.") and len(asked) == 2
    assert [record.error for record in run.records()] == ["", "no luck.", "an edit before it failed: no luck."]
    rows = [(row.edits, row.count, row.failures) for row in drift_of(run).rows]
    assert rows == [(1, 1, 0), (2, 0, 1), (3, 0, 1)] and drift_of(run).told().endswith("left out: 2.")
    assert drift_of(run).strip_of("1000").size[0] == 4 * 200 - 8
    assert bench(run, suite, local(editor)).now == 0
    done = bench(run, suite, local(editor), retry_failed=True)
    assert (done.now, done.there, done.failed) == (2, 3, 0)


def test_a_kill_between_a_failure_and_what_follows_from_it_leaves_no_hole(editor, tmp_path):
    suite = Drift(count=1, edits=3)
    run = started(tmp_path, editor, texts=["ddim:num_inference_steps=2"], suite=suite)

    broken = Counting(editor, 2)
    broken.execute = lambda works: (one for work in works for one in edits(None, work))  # nothing can be made
    with pytest.raises(RuntimeError):
        bench(run, suite, broken)
    assert [bool(record.error) for record in run.records()] == [True, True]
    done = bench(run, suite, local(editor))
    assert (done.there, done.failed) == (3, 0)  # it went back to where there is a picture


def test_workers_elsewhere_and_shards_make_the_same_chains(editor, whole, tmp_path):
    def elsewhere(works):
        for work in works:
            yield from pickle.loads(pickle.dumps(list(edits(editor, pickle.loads(pickle.dumps(work))))))

    run = started(tmp_path, editor)
    for share in (1, 0):
        bench(run, SUITE, elsewhere, shard=(share, 2))
    assert pictures(run) == {key: data for key, data in pictures(whole.run).items() if "kept" not in key[1]}


def test_a_chain_whose_worker_died_fails_whole(editor, tmp_path):
    class Lost:
        @staticmethod
        def get(one):
            raise OSError("gone")

    works = []
    run = started(tmp_path, editor, texts=QUICK[1:])
    bench(run, SUITE, lambda given: (one for work in given for one in works.append(work) or []))
    lost = _results(Lost, None, works[0])
    assert [made.record.case for made in lost] == ["1000-001", "1000-002", "1000-003"]
    assert {made.record.error for made in lost} == {"the worker failed: OSError"}


def test_more_chains_join_a_run_and_longer_ones_do_not(editor, tmp_path):
    bench(started(tmp_path, editor, texts=QUICK[1:]), SUITE, local(editor))
    counting, more = Counting(editor), Drift(count=3, edits=3)
    bench(started(tmp_path, editor, texts=QUICK[1:], suite=more), more, counting)
    assert {case for case, _, _ in counting.asked} == {"1002-001", "1002-002", "1002-003"}
    with pytest.raises(BadRun, match="is of other edits"):
        started(tmp_path, editor, texts=QUICK[1:], suite=Drift(count=3, edits=4))


def test_a_table_of_ones_own_goes_there_and_back(editor, tmp_path):
    case = SUITE.case(SUITE.entries[0])
    case.picture.save(tmp_path / "cat.png")
    rows = [{"id": "cat", "picture": "cat.png", "source": "a red cat on a beach", "target": "a blue cat on a beach"}]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = Table(tmp_path / "mine.jsonl", edits=3)
    assert [entry.target.split()[1] for entry in suite.entries] == ["blue", "red", "blue"]
    assert [entry.source.split()[1] for entry in suite.entries] == ["red", "blue", "red"]
    assert suite.identity != Table(tmp_path / "mine.jsonl", edits=2).identity
    drift = run_drift(tmp_path / "run", editor, variants=QUICK[1:], suite=suite)
    assert list(drift.about) == ["untouched", "psnr", "ssim", "shift", "sharpness", "tone_drift"]
    assert [row.edits for row in drift.rows] == [1, 2, 3] and "outside" not in drift.told()
    assert (tmp_path / "run" / "strips" / "cat.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("drift", "--edits", 0), "edits is 0"),
        (("drift", "--edits", "many"), "edits is 'many'"),
        (("drift", "--kinds", "mood"), "no chains of 'mood'"),
        (("drift", "--count", 0), "count is 0"),
        (("drift", "--keep", "all"), "--keep is 'all'"),
        (("drift", "--methods", "none"), "nothing to run"),
        (("diorama", "--edits", 3), "--edits goes with the suites drift, folder, not diorama"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, arguments, says):
    done = retouch("bench", arguments[0], "-o", tmp_path / "run", *arguments[1:])
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "run").exists()


def test_what_python_asks_amiss_is_one_sentence_too(editor, tmp_path, finished, whole):
    with pytest.raises(BadParameter, match="nothing to run"):
        run_drift(tmp_path / "run", editor)
    with pytest.raises(BadParameter, match="edits is an option of the suite drift"):
        run_drift(tmp_path / "run", editor, ["ddim"], suite=SUITE, edits=3)
    with pytest.raises(BadParameter, match="the suite diorama holds edits that are in no chain"):
        run_drift(tmp_path / "run", editor, ["ddim"], suite=DioramaSuite(["pose"], count=1))
    with pytest.raises(BadParameter, match="has no chain 'x'"):
        whole.strip_of("x")
    with pytest.raises(BadParameter, match="has no edits in a row"):
        drift_of(finished)
    assert not (tmp_path / "run").exists()
    (tmp_path / "a.csv").write_text("picture,target\na.png,a cat\n")
    with pytest.raises(BadSuite, match=r"the edit '0001-a' of .*a.csv' has no source"):
        Table(tmp_path / "a.csv", edits=2)
