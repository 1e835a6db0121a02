"""Fixtures of the tests of this folder."""

import pytest

from tests.runs.painted import small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three methods, six cases, two seeds; one edit failed."""
    return small_run(tmp_path_factory.mktemp("report") / "run", seeds=(0, 1), failing={("colour-1000", "sdedit", 1)})
