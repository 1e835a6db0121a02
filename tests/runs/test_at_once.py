"""Cases at once: in one batch on one model, and over several processes; the edits are those of one at a time."""

import os
import signal
import time
from multiprocessing import active_children
from threading import Thread

import numpy as np
import pytest

from retouch.runs.bench import bench
from retouch.runs.edits import local
from retouch.runs.model_spec import ModelSpec
from retouch.runs.on_devices import on_devices
from retouch.runs.run import Run
from retouch.runs.side_by_side import side_by_side
from retouch.runs.variants import kept, read_variants
from tests.runs.quick import FAST, SUITE, manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VARIANTS = [FAST[0], "imagic:embedding_steps=1,network_steps=1,num_inference_steps=2"]


def gap(one, other):
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def test_a_batch_of_cases_gives_the_edits_of_one_case_at_a_time(editor, tmp_path):
    wanted = kept(read_variants([], VARIANTS), "both")
    runs = []
    for name, executor in (("alone", local(editor)), ("batch", side_by_side(editor, 3))):
        made = manifest(editor, VARIANTS)
        methods = {label: {"method": one.method, "settings": dict(one.settings), "keep": one.keep}
                   for label, one in wanted.items()}  # fmt: skip
        run = Run.create(tmp_path / name, type(made)(made.suite, made.model, methods, [0, 1], made.environment))
        asked = editor.model.evaluations
        done = bench(run, SUITE, executor)
        assert (done.failed, done.there) == (0, 4 * 4 * 2)
        runs.append((run, editor.model.evaluations - asked))
    (alone, cost), (batch, cost_at_once) = runs
    assert cost == cost_at_once
    ours = {record.key: record for record in batch.records()}
    for record in alone.records():
        assert gap(alone.edit(record), batch.edit(ours[record.key])) <= 2
        assert record.evaluations == ours[record.key].evaluations


def test_a_case_that_fails_in_a_batch_says_why_and_the_others_are_made(editor, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", manifest(editor, ["masactrl:num_inference_steps=2", FAST[0]]))
    done = bench(run, SUITE, side_by_side(editor, 4))
    assert (done.failed, done.now) == (4, 8)
    assert all("start_step" in record.error for record in run.records() if record.error)


def test_devices_share_the_cases_and_a_process_that_dies_takes_only_its_own(editor, tmp_path):
    here = Run.create(tmp_path / "here", manifest(editor))
    bench(here, SUITE, local(editor))
    run, killed = Run.create(tmp_path / "spread", manifest(editor)), []

    def kill():
        deadline = time.monotonic() + 100
        while not killed and time.monotonic() < deadline:
            for process in active_children()[:1]:
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
            time.sleep(0.01)

    killer = Thread(target=kill)
    killer.start()
    first = bench(run, SUITE, on_devices(ModelSpec("diorama"), ["cpu", "cpu"]))
    killer.join()
    assert killed and first.failed and all("died" in one.error for one in run.records() if one.error)
    again = bench(run, SUITE, on_devices(ModelSpec("diorama"), ["cpu", "cpu"], batch=2), retry_failed=True)
    assert (again.failed, again.there) == (0, 8)
    for record in here.records():
        assert gap(here.edit(record), run.edit(record)) <= 2
