"""Two methods on a few held-out edits: a run that can be interrupted, its table, and the page to look at."""

import sys
from pathlib import Path

from retouch import Editor
from retouch.diorama.suite import DioramaSuite
from retouch.measures.registry import measures_for
from retouch.report import gather, page, write_text
from retouch.runs.bench import begin, bench
from retouch.runs.edits import local
from retouch.runs.measuring import measure
from retouch.runs.results import results
from retouch.runs.variants import read_variants

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
editor, suite = Editor.from_pretrained("diorama"), DioramaSuite(["colour", "accessory"], count=1)
methods = read_variants(["prox-npi"], ["short=ddim:num_inference_steps=10"])

run = begin(folder / "run", suite, editor, methods)
done = bench(run, suite, local(editor))  # edits that are there already are not made again
print(f"{done.there} of {done.total} edits")

able, absent = measures_for(clip="diorama", names=["clip_score", "psnr.outside"])
measure(run, able, suite=suite)
print(results(run)[["case", "method", "both", "clip_score", "psnr.outside", "seconds", "evaluations"]])

first = run.records()[0]
run.edit(first).save(folder / f"{first.case}.png")
write_text(page(gather([run])), folder / "report.html", force=True)
print(f"open {folder / 'report.html'} in a browser")
