"""What the runner adds to the edits themselves: six tuning-free methods on held-out cases, and the memory it holds.

*Edits* is the time inside the editor; everything else of the run (cases, pictures, records on the disk) is the runner's
own, and *measures* comes on top. *Alone* is what the edits would take without sharing inversions.
"""

import argparse
import json
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from retouch.diorama.suite import DioramaSuite
from retouch.editor import Editor
from retouch.measures.registry import measures_for
from retouch.runs.bench import begin, bench
from retouch.runs.edits import local
from retouch.runs.measuring import measure
from retouch.runs.variants import read_variants

METHODS = ("prox-npi", "negative-prompt", "masactrl", "plug-and-play", "ddim", "sdedit")


def resident() -> float:
    """The process's memory in MiB."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Runs, prints, writes figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=34, help="with six methods each")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/runner.json"))
    options = parser.parse_args()
    editor = Editor.from_pretrained("diorama")
    suite = DioramaSuite(["colour", "pose"], count=-(-options.cases // 2))
    suite.entries = suite.entries[: options.cases]
    suite.case(suite.entries[0])  # the painter's textures are there, as the model is
    variants = read_variants(METHODS)
    spent, sizes = 0.0, []

    def timed(works):
        nonlocal spent
        left = local(editor)(works_timed(works))
        while True:
            began = time.perf_counter()
            made = next(left, None)
            spent += time.perf_counter() - began
            if made is None:
                return
            sizes.append(resident())
            yield made

    def works_timed(works):
        """Getting the next case is the runner's work, though the executor asks for it."""
        nonlocal spent
        while True:
            began = time.perf_counter()
            work = next(works, None)
            spent -= time.perf_counter() - began
            if work is None:
                return
            yield work

    with tempfile.TemporaryDirectory() as folder:
        run = begin(Path(folder) / "run", suite, editor, variants)
        began = time.perf_counter()
        bench(run, suite, timed)
        whole = time.perf_counter() - began
        began = time.perf_counter()
        measure(run, measures_for("diorama")[0], suite=suite)
        measuring = time.perf_counter() - began
        alone = sum(record.seconds for record in run.records())
    tenth = max(1, len(sizes) // 10)
    figures = {
        "date": str(date.today()), "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(), "edits": len(sizes), "edit_seconds": spent, "runner_seconds": whole - spent,
        "measure_seconds": measuring, "alone_seconds": alone, "added": (whole - spent) / spent,
        "whole_to_alone": (whole + measuring) / alone,
        "memory_early_mib": sum(sizes[tenth : 2 * tenth]) / tenth, "memory_late_mib": sum(sizes[-tenth:]) / tenth,
    }  # fmt: skip
    print(json.dumps(figures, indent=1))
    options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
