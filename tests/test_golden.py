"""The embedded model walks the same trajectories as when they were written down."""

import json
import os
import subprocess
import sys

import pytest
import torch

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


@pytest.mark.skipif(
    os.environ.get("ATEN_CPU_CAPABILITY") == "avx2" or torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="there are no other kernels to walk with",
)
@pytest.mark.xdist_group("golden with other kernels")
def test_other_kernels_walk_the_same():
    """A test must hold on every processor: all of this file once more as on one without AVX-512."""
    older = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env={**os.environ, **older}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


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
