"""Peak memory of every method on networks of real sizes, without a GPU: the table of docs/memory.md.

Each method is run on a model of the family's shape whose tensors have no values: weights, activations, gradients,
everything alive at the same time is counted (:mod:`retouch.estimate`). What libraries take for workspaces is not.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

import torch

from retouch.backbone.quiet import without_collection
from retouch.backbone.shaped import SHAPES, shape_of
from retouch.editor import Editor
from retouch.errors import RetouchError
from retouch.estimate import peak_of
from retouch.methods.registry import methods

SIDES = {"sd15-shape": (512, 1024), "sd21-shape": (512, 1024), "sdxl-shape": (512, 1024), "if-shape": (64, 128)}
ADAPTERS = ("imagic", "layer-diffusion")
"""Also with low-rank adapters."""
ALIKE = {
    "negative-prompt": "prox-npi", "prompt-to-prompt": "prox-npi", "cycle-diffusion": "edit-friendly", "ddib": "ddim",
    "sdedit": "ddim", "diffedit": "ddim", "prompt-tuning": "null-text", "prox-masactrl": "masactrl",
}  # fmt: skip
"""Methods that ask no more of the network at a time than another one: not counted, unless named by --methods."""


GRADIENTS = {"guide-and-rescale", "null-text", "prompt-tuning", "imagic", "layer-diffusion", "e4c"}
"""Methods for which "balanced" is another thing than "fast"."""


SOURCE, TARGET = "a cat on the grass", "a dog on a beach"


def variants(names):
    """Of every method its settings as published, and with low-rank adapters."""
    for name in names:
        yield name, {}
        if name in ADAPTERS:
            yield name, {"adapter_rank": 8}


def counted(model, editor, name, given, side, memory):
    """One row, or why there is none."""
    row = {"method": name, "settings": given, "side": side, "memory": memory}
    try:
        peak = peak_of(
            model, editor.method_for(name, SOURCE, TARGET, given), (side, side), memory, source=SOURCE, target=TARGET
        )
    except RetouchError as error:
        return row | {"refused": str(error)}
    return row | {"total": peak.total, "weights": peak.weights}


def main() -> None:
    """Counts, and writes after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--methods", default="")
    parser.add_argument("--memory", default="fast,balanced,low")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/memory.json"))
    options = parser.parse_args()
    names = options.methods.split(",") if options.methods else [name for name in methods() if name not in ALIKE]
    for shape in options.shapes.split(","):
        model = shape_of(shape, torch.float16)
        editor = Editor(model)
        for side in SIDES[shape]:
            for name, given in variants(names):
                for memory in options.memory.split(","):
                    if memory == "balanced" and name not in GRADIENTS:
                        continue
                    began = time.monotonic()
                    with without_collection():
                        row = {"shape": shape, **counted(model, editor, name, given, side, memory)}
                    told = f"{row['total'] / 2**30:.2f} GiB" if "total" in row else row["refused"]
                    print(f"{shape} {side} {name} {given or ''} {memory}: {told} ({time.monotonic() - began:.0f} s)",
                          flush=True)  # fmt: skip
                    _write(options.output, row)


def _write(output: Path, row: dict) -> None:
    """The row in the place of an older one."""
    known = json.loads(output.read_text())["rows"] if output.exists() else []
    key = ("shape", "side", "method", "settings", "memory")
    kept = [one for one in known if [one.get(k) for k in key] != [row[k] for k in key]]
    figures = {"date": str(date.today()), "torch": torch.__version__, "dtype": "float16", "rows": [*kept, row]}
    output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
