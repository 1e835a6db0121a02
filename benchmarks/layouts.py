"""Channels-last weights and torch.compile on this machine: the bare network with and without, alternating; medians.

Processor seconds count, which other programs do not lengthen. `--compile` also compiles the network's blocks, says how
long that takes, and compares an edit's picture.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

from retouch.backbone.shaped import SHAPES, random_model
from retouch.diorama.pairs import edit_pair
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
    found = {"contiguous": [], "channels_last": []}
    for _ in range(rounds + 1):
        for name, times in found.items():
            model.unet.to(memory_format=getattr(torch, f"{name}_format" if name == "contiguous" else name))
            times.append(seconds(model, latents, condition))
    model.unet.to(memory_format=torch.contiguous_format)
    return {"rows": rows, **{name: round(median(times[1:]), 3) for name, times in found.items()}}


def compiled(editor: Editor, rounds: int) -> dict:
    """Seconds of an edit with the network's blocks compiled and not, the compilation, and how far the pictures part."""
    pair = edit_pair("colour", 300)
    asked = {"image": pair.picture, "source": pair.source_prompt, "target": pair.target_prompt, "method": "prox-npi"}
    unet = editor.model.unet
    plain = editor.edit(**asked)
    blocks = [block for part in (unet.down_blocks, unet.up_blocks) for block in part]
    inner = [one for block in (*blocks, unet.mid_block) for name in ("resnets", "attentions")
             for one in getattr(block, name, ())]  # fmt: skip
    for one in inner:
        one.compile(dynamic=False)
    began, spent = time.perf_counter(), time.process_time()
    first = editor.edit(**asked)
    took, of_process = time.perf_counter() - began, time.process_time() - spent
    times = {"plain": [], "compiled": []}
    calls = [one._compiled_call_impl for one in inner]
    for _ in range(rounds):
        for name, spans in times.items():
            for one, call in zip(inner, calls, strict=True):
                one._compiled_call_impl = call if name == "compiled" else None
            spent = time.process_time()
            editor.edit(**asked)
            spans.append(time.process_time() - spent)
    apart = np.abs(np.asarray(first.image, int) - np.asarray(plain.image, int))
    return {
        "blocks": len(inner), "first_edit_seconds": round(took, 1),
        "first_edit_processor_seconds": round(of_process, 1),
        **{name: round(median(spans), 2) for name, spans in times.items()},
        "largest_difference": int(apart.max()), "mean_difference": round(float(apart.mean()), 3),
    }  # fmt: skip


def main() -> None:
    """Measures one model, and adds it to the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/layouts.json"))
    options = parser.parse_args()
    model = random_model(options.model) if options.model in SHAPES else Editor.from_pretrained(options.model).model
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    about = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "threads": torch.get_num_threads()}
    row = compiled(Editor(model), options.rounds) if options.compile else layouts(model, options.rows, options.rounds)
    known[f"{options.model} compiled" if options.compile else options.model] = {**about, **row}
    print(known)
    options.output.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
