"""Fixtures of the tests of this folder."""

import pytest

from retouch.editor import Editor
from retouch.measures.registry import measures_for
from retouch.runs.bench import bench
from retouch.runs.edits import local
from retouch.runs.measuring import measure
from retouch.runs.run import Run
from tests.runs.quick import SUITE, manifest


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("diorama")


@pytest.fixture(scope="module")
def finished(editor, tmp_path_factory):
    run = Run.create(tmp_path_factory.mktemp("bench") / "run", manifest(editor, seeds=(0, 1)))
    bench(run, SUITE, local(editor))
    measure(run, measures_for("diorama")[0], suite=SUITE)
    return run
