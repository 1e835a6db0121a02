"""Pictures per second: edits one at a time, and side by side in batches, by methods of Diorama.

The pictures are painted; both ways alternate, and the medians count. Run it on a quiet machine.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from statistics import median

import torch

from retouch.diorama.pairs import edit_pair
from retouch.editor import Editor

METHODS = ("auto", "prompt-to-prompt", "prox-npi", "masactrl", "edit-friendly", "ddim")
BATCHES = (1, 2, 4, 8, 16)


def rate(editor: Editor, edits: list[dict], method: str, batch: int) -> float:
    """Pictures per second."""
    began = time.perf_counter()
    if batch == 1:
        for one in edits:
            editor.edit(**one, method=method)
    else:
        editor.edit_many(edits, batch=batch, method=method)
    return len(edits) / (time.perf_counter() - began)


def main() -> None:
    """Measures, prints and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/many.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    editor = Editor.from_pretrained("diorama")
    pairs = [edit_pair(("colour", "pose", "accessory", "subject")[i % 4], 300 + i) for i in range(options.count)]
    edits = [{"image": p.picture, "source": p.source_prompt, "target": p.target_prompt} for p in pairs]
    rate(editor, edits[:2], "ddim", 2)
    rows = {}
    for method in options.methods:
        found = {batch: [] for batch in options.batches}
        for _ in range(options.rounds):
            for batch in options.batches:
                found[batch].append(rate(editor, edits, method, batch))
        rows[method] = {batch: round(median(rates), 3) for batch, rates in found.items()}
        base = rows[method][options.batches[0]]
        print(f"| `{method}` | " + " | ".join(f"{r:.2f} ({r / base:.2f}×)" for r in rows[method].values()) + " |")
    about = {"processor": platform.processor() or platform.machine(), "threads": options.threads,
             "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "pictures": options.count}  # fmt: skip
    options.output.write_text(json.dumps({"about": about, "pictures_per_second": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
