"""Fixtures of the tests of this folder."""

import shutil

import pytest

from retouch.runs.run import Run
from tests.runs.painted import small_run


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Six cases by three methods; only to be read."""
    return small_run(tmp_path_factory.mktemp("painted") / "run", measured=False)


@pytest.fixture
def run(painted, tmp_path):
    """The same, a test's own."""
    shutil.copytree(painted.folder, tmp_path / "run")
    return Run.open(tmp_path / "run")
