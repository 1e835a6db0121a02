"""The embedded model walks the same trajectories as when they were written down."""

import json

import pytest

from tests.golden import FILE, trajectories

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("golden")]  # walked once, not in every process


@pytest.fixture(scope="module")
def walked():
    return trajectories(), json.loads(FILE.read_text())


def test_the_weights_are_the_ones_the_trajectories_were_written_with(walked):
    now, golden = walked
    assert now["fingerprint"] == golden["fingerprint"], "new weights? run: python -m tests.golden"


def test_the_inversion_walks_the_golden_trajectory(walked):
    now, golden = walked
    assert len(now["inversion"]) == len(golden["inversion"]) == 7
    for here, there in zip(now["inversion"], golden["inversion"], strict=True):
        assert here == pytest.approx(there, abs=1e-3)


def test_every_method_ends_where_it_did(walked):
    now, golden = walked
    assert now["methods"].keys() == golden["methods"].keys()
    for name, values in now["methods"].items():
        assert values == pytest.approx(golden["methods"][name], abs=2e-3), name


def test_chaotic_methods_end_in_a_picture_as_near_to_the_input_as_it_was(walked):
    now, golden = walked
    assert now["chaotic"].keys() == golden["chaotic"].keys()
    for name, (mean, spread, psnr) in now["chaotic"].items():
        assert (mean, spread) == pytest.approx(golden["chaotic"][name][:2], abs=1e-2), name
        assert psnr == pytest.approx(golden["chaotic"][name][2], abs=0.5), name
