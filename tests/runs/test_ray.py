"""The Ray executor on a real local cluster of two workers, one of which is killed in the middle of the run."""

import os
import signal
import time
from pathlib import Path
from threading import Thread

import pytest

from retouch.diorama.suite import DioramaSuite
from retouch.errors import RetouchError
from retouch.runs.bench import bench
from retouch.runs.edits import local
from retouch.runs.environment import environment
from retouch.runs.manifest import Manifest
from retouch.runs.model_spec import ModelSpec
from retouch.runs.on_ray import on_ray
from retouch.runs.run import Run
from retouch.runs.variants import read_variants

pytestmark = pytest.mark.slow

ray = pytest.importorskip("ray")

SUITE = DioramaSuite(["colour", "pose"], count=3)
VARIANTS = read_variants([], ["ddim:num_inference_steps=3", "sdedit:num_inference_steps=3"])


def workers():
    """The processes that are at work on a case."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if place.read_bytes().startswith(b"ray::_case"):
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def manifest(editor):
    methods = {label: {"method": one.method, "settings": dict(one.settings)} for label, one in VARIANTS.items()}
    model = {"name": editor.model.name, "fingerprint": editor.model.fingerprint}
    return Manifest(SUITE.identity, model, methods, [0], environment(editor.model.device))


@pytest.fixture(scope="module")
def cluster():
    at_once = {"worker_niceness": 0}  # not behind the tests that run beside this one
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _system_config=at_once
    )  # fmt: skip
    yield
    ray.shutdown()


def test_a_killed_worker_costs_nothing_but_its_case(cluster, tmp_path):
    from retouch.editor import Editor

    editor, killed = Editor.from_pretrained("diorama"), []

    def kill():
        deadline = time.monotonic() + 200
        while not killed and time.monotonic() < deadline:
            for process in workers()[:1]:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            time.sleep(0.01)

    killer = Thread(target=kill)
    killer.start()
    run = Run.create(tmp_path / "spread", manifest(editor))
    done = bench(run, SUITE, on_ray(ModelSpec("diorama")))
    killer.join()
    assert killed and (done.now, done.there, done.failed, done.total) == (12, 12, 0, 12)

    here = Run.create(tmp_path / "here", manifest(editor))
    bench(here, SUITE, local(editor), shard=(0, 3))
    for record in here.records():
        assert run.edit(record).tobytes() == here.edit(record).tobytes()  # where an edit is made does not show


def test_a_cluster_that_is_not_there_is_one_sentence():
    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(RetouchError, match="cannot be reached"):
        on_ray(ModelSpec("diorama"), address="127.0.0.1:1")
