"""What is finished is never lost or done again, whatever happens."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from retouch.runs.bench import bench
from retouch.runs.edits import Made, Work
from retouch.runs.manifest import Record
from retouch.runs.results import results
from retouch.runs.run import Run
from tests.runs.quick import SUITE, manifest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
from retouch.cli import main
sys.argv = ["retouch", "bench", "diorama", "-o", sys.argv[1], "--methods", "none", "--variant",
    "a=ddim:num_inference_steps=2", "--variant", "b=sdedit:num_inference_steps=2", "--kinds", "colour,pose",
    "--count", "4", "--quiet"]
main()
"""


def test_killed_at_random_moments_nothing_is_lost_or_repeated(tmp_path):
    """Real SIGKILLs while the command line works; edits seen on the disk before a kill keep their very bytes."""
    folder, random, seen = tmp_path / "run", np.random.default_rng(0), {}
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stderr=subprocess.PIPE) as process:
            begun = len(list(folder.glob("edits/*/*.png")))
            while process.poll() is None and len(list(folder.glob("edits/*/*.png"))) < begun + 2:
                time.sleep(0.05)
            time.sleep(random.uniform(0, 1))
            process.kill()
        for path in folder.glob("edits/*/*.png"):
            key = str(path.relative_to(folder))
            assert seen.setdefault(key, path.read_bytes()) == path.read_bytes()
    assert len(seen) >= 4
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = Run.open(folder)
    assert len(run.records()) == 16 == len(results(run).dropna(subset=["psnr"]))
    lines = [json.loads(line) for line in (folder / "records" / "0-of-1.jsonl").read_text().splitlines()]
    assert len(lines) == 16 and all((folder / key).read_bytes() == before for key, before in seen.items())
    left = list(folder.rglob(".retouch-*"))
    assert (folder / "results" / "0-of-1.parquet").exists() and len(
        left
    ) <= 3  # what a kill left is cleared when it is old
    for path in left:
        os.utime(path, (0, 0))
    Run.create(folder, run.manifest)
    assert not list(folder.rglob(".retouch-*"))


def test_memory_does_not_grow_with_the_cases(editor, tmp_path):
    """Cases come one by one: when one is asked for, the edits of all before it are on the disk already."""
    run, open_cases = Run.create(tmp_path, manifest(editor)), []

    def watching(works):
        for number, work in enumerate(works):
            assert isinstance(work, Work)
            open_cases.append(len(run.records()) == 2 * number)
            for label, seed in work.wanted:
                entry = work.case.entry
                yield Made(Record(entry.id, entry.kind, label, seed, 0.1, 1), Image.new("RGB", (8, 8)))

    bench(run, SUITE, watching)
    assert open_cases == [True] * 4
    assert asdict(run.records()[0])["seconds"] == 0.1
