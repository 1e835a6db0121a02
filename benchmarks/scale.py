"""What a run costs by the number of its edits, with a method that copies: all that is left is the runner's own work.

For each size: the run from nothing (cases stored, edits and records on the disk, two measures as edits come, the table
at the end), and the same command once more, when there is nothing left to do. Each in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from PIL import Image

from retouch.measures.models import Models
from retouch.runs.bench import bench
from retouch.runs.edits import Made
from retouch.runs.manifest import Manifest, Record
from retouch.runs.run import Run
from retouch.runs.take import Measuring
from retouch.suites.suite import Case, Entry, Suite

SIDE = 64


class Gradients(Suite):
    """Small pictures, as many as are wanted."""

    name = "gradients"
    summary = "small pictures"

    def __init__(self, count: int) -> None:
        self.entries = [Entry(f"{i:06}", "copy", "a cat", "a dog") for i in range(count)]
        self.identity = {"suite": self.name, "edits": count}

    def case(self, entry: Entry) -> Case:
        """A gradient with the entry's number in its colour."""
        number = int(entry.id)
        grey = Image.linear_gradient("L").resize((SIDE, SIDE))
        flat = (Image.new("L", grey.size, one) for one in (number % 251, number // 251 % 251))
        return Case(entry, Image.merge("RGB", (grey, *flat)))


def copies(works):
    """The executor: every edit is its picture."""
    for work in works:
        for label, seed in work.wanted:
            yield Made(Record(work.case.entry.id, "copy", label, seed, 0.0, 0), work.case.picture)


def resident(name: str) -> float:
    """The process's memory in MiB: now (VmRSS), or the most so far (VmHWM)."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(name))
    return int(line.split()[1]) / 1024


def one(folder: Path, count: int) -> dict[str, float]:
    """The run in a folder, from wherever it is."""
    began, suite, sizes, first = time.perf_counter(), Gradients(count), [], []
    measuring = Measuring(["psnr", "untouched"], suite, Models("diorama"))
    measuring.load(folder, print)
    start = resident("VmRSS")
    methods = {"copy": {"method": "ddim", "settings": {}}}
    run = Run.create(folder, Manifest(suite.identity, {"name": "", "fingerprint": ""}, methods, [0]))

    def works(left):
        for made in copies(_first(left, first)):
            if int(made.record.case) % 100 == 0:
                sizes.append(resident("VmRSS"))
            yield made

    with measuring.as_they_come(run, "0/1") as finished:
        bench(run, suite, works, after=finished)
    edits = time.perf_counter() - began
    measuring.take(run, [entry.id for entry in suite.entries], "0/1", print)
    return {
        "edits": count, "seconds": time.perf_counter() - began, "until_table": edits,
        "until_first": (first[0] if first else time.perf_counter()) - began, "start_mib": start,
        "tenth_mib": sizes[len(sizes) // 10] if sizes else None, "last_mib": sizes[-1] if sizes else None,
        "most_mib": resident("VmHWM"),
    }  # fmt: skip


def _first(works, first):
    """The works; when the first is asked for, all that is finished is known."""
    first.append(time.perf_counter())
    yield from works


def main() -> None:
    """Runs, prints, writes figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,50000")
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "EDITS"), help="only this; prints its figures")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/scale.json"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(Path(options.one[0]), int(options.one[1]))))
        return
    rows = []
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            for what in ("from nothing", "again"):
                command = [sys.executable, __file__, "--one", f"{folder}/run", size]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                rows.append({"what": what, **json.loads(said.splitlines()[-1])})
                print(rows[-1], flush=True)
    options.output.write_text(json.dumps({"date": str(date.today()), "side": SIDE, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
