"""Channels-last weights and compiled blocks on this machine: the bare network with and without, alternating; medians.

Processor seconds count, which other programs do not lengthen.
"""

import argparse
import json
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median

import torch

from retouch.backbone.compiled import compile_model
from retouch.backbone.shaped import SHAPES, random_model
from retouch.editor import Editor


def seconds(model, latents, condition) -> float:
    """Processor seconds of one evaluation."""
    began = time.process_time()
    with torch.no_grad():
        model.predict(latents, 500, condition)
    return time.process_time() - began


def layouts(model, rows: int, rounds: int) -> dict:
    """Seconds by layout of the weights."""
    side = model.native_side // model.vae_factor
    latents = torch.randn(rows, model.unet.config.in_channels, side, side)
    condition = model.condition(["a red cat on a beach"] * rows)
    found = {"contiguous": [], "channels_last": [], "compiled": []}
    compile_model(model)
    for _ in range(rounds + 1):
        for name, times in found.items():
            last = name == "channels_last"
            model.unet.to(memory_format=torch.channels_last if last else torch.contiguous_format)
            with nullcontext() if name == "compiled" else plain(model.unet):
                times.append(seconds(model, latents, condition))
    return {"rows": rows, **{name: round(median(times[1:]), 3) for name, times in found.items()}}


@contextmanager
def plain(network):
    """The network as it was before its blocks were compiled."""
    own = [(block, vars(block).pop("forward")) for block in network.modules() if "forward" in vars(block)]
    yield
    for block, compiled in own:
        block.forward = compiled


def main() -> None:
    """Measures one model, and adds it to the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/layouts.json"))
    options = parser.parse_args()
    model = random_model(options.model) if options.model in SHAPES else Editor.from_pretrained(options.model).model
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    about = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "threads": torch.get_num_threads()}
    known[options.model] = {**about, **layouts(model, options.rows, options.rounds)}
    print(known)
    options.output.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
