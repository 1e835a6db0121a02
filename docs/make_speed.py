"""Writes docs/speed.md from what `retouch bench speed -o` and benchmarks/layouts.py left in benchmarks/."""

import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent


def paragraph(text: str) -> str:
    """Prose of any shape in lines of 120."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


INTRO = """# Speed

```
retouch bench speed --model sd15-shape --random-init --steps 2
retouch bench speed --model sdxl-shape --dtype bfloat16 --methods ddim,prox-npi,masactrl --batches 1,2,4,8 -o speed.json
retouch bench speed --model diorama --steps 20 --repeats 3 --json
```

`sd15-shape`, `sd21-shape`, `sdxl-shape` and `if-shape` are networks as large as Stable Diffusion 1.5, 2.1 and SDXL and as DeepFloyd
IF's base stage IF-I-XL, with random weights: they need no file, and are as fast as the checkpoints. Any other model
can be named, too: Diorama, a folder, a hub name.

- **evaluations**: rows of all network calls of one edit.
- **seconds**: of one edit; of these **texts and autoencoder** are those outside the steps.
- **bare network**: the same network calls again with nothing around them and no edit, with a backward pass where the edit has one.
  **overhead** is what the steps of the edit take beyond these: on a CPU in processor seconds, which other programs do not lengthen.
- **memory**: the most that an edit takes above the weights: on a GPU what torch allocates, on a CPU the process.
- **TFLOP/s**: of the network in an edit's steps, backward passes included, counted on tensors without values; beside them the share
  of what the GPU could do, for cards whose data sheet is known. Without backward passes it is what is called model FLOP/s.
- **pictures/s**: by how many are edited at once ([many pictures](many.md)). A size that has too little memory is said to, and the
  others go on.

The table says which device gave it. It warms up first: on a GPU by an edit as it is, on a CPU by a small one.
"""


def tables() -> list[str]:
    """A section for every file of figures."""
    lines = []
    for path in sorted((ROOT / "benchmarks" / "speed").glob("*.json")):
        found = json.loads(path.read_text())
        said, peak = found["environment"], found["peak_flops"]
        place = said.get("gpu") or f"{said['cpu']}, {said['threads']} thread{'s' * (said['threads'] != 1)}"
        busy = (
            f" The processor was shared: {found['load']:g} other programs wanted it."
            if (found["load"] or 0) >= 1
            else ""
        )
        lines += ["", f"## {found['model']} on {place}", "", paragraph(
            f"{said['date'][:10]}, torch {said['torch']}, {found['side']}x{found['side']} pixels, {found['dtype']}, T = "
            f"{found['steps']}, {found['repeats']} of every timing. The weights are {found['weights_mib'] / 1024:.2f} GiB."
            f"{busy}"
        ), ""]  # fmt: skip
        batches = sorted({int(batch) for one in found["methods"] for batch in one["rates"]})
        titles = ["method", "evaluations", "seconds", "texts and autoencoder", "bare network", "overhead",
                  "memory, GiB", "TFLOP/s", *(["of the peak"] if peak else []),
                  *(f"pictures/s, {batch} at once" for batch in batches)]  # fmt: skip
        lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        lines += [row(one, batches, peak) for one in found["methods"]]
    return lines


def row(one: dict, batches: list[int], peak: float | None) -> str:
    """A method's line."""
    rates = [one["rates"].get(str(batch)) for batch in batches]
    memory = one["peak_mib"]
    cells = [
        f"`{one['method']}`", str(one["evaluations"]), f"{one['seconds']:.2f}", f"{one['around_seconds']:.2f}",
        f"{one['network_seconds']:.2f}", f"{one['overhead']:+.0%}", "?" if memory is None else f"{memory / 1024:.2f}",
        f"{one['flops_per_second'] / 1e12:.3g}", *([f"{one['flops_per_second'] / peak:.0%}"] if peak else []),
        *("no memory" if rate is None else f"{rate:.3g}" for rate in rates),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def measured() -> list[str]:
    """What was tried to be faster, and left out."""
    found = json.loads((ROOT / "benchmarks" / "layouts.json").read_text())
    lines = ["", "## Channels-last", ""]
    lines += ["| network | rows | processor seconds as it is | channels-last |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {one['rows']} | {one['contiguous']} | {one['channels_last']} |"
        for name, one in found.items()
        if "rows" in one
    ]
    lines += ["", (ROOT / "benchmarks" / "speed" / "layouts.md").read_text().strip()]
    return lines


def page() -> str:
    """The whole page."""
    last = (ROOT / "benchmarks" / "speed" / "waiting.md").read_text().strip()
    return "\n".join([INTRO.rstrip(), *tables(), *measured(), "", last, ""])


if __name__ == "__main__":
    (ROOT / "docs" / "speed.md").write_text(page())
