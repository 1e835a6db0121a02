"""Writes docs/speed.md from what `retouch bench speed -o` and benchmarks/layouts.py left in benchmarks/."""

import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent


def paragraph(text: str) -> str:
    """Prose of any shape in lines of 120."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def tables() -> list[str]:
    """A section for every file of figures."""
    lines = []
    for path in sorted((ROOT / "benchmarks" / "speed").glob("*.json")):
        found = json.loads(path.read_text())
        said, peak = found["environment"], found["peak_flops"]
        place = said.get("gpu") or f"{said['cpu']}, {said['threads']} thread{'s' * (said['threads'] != 1)}"
        load = found["load"] or 0
        busy = f" The processor was shared: {load:g} programs wanted it." if load >= 1 else ""
        count = "once" if found["repeats"] == 1 else f"the median of {found['repeats']} times"
        lines += ["", f"### {found['model']} on {place}", ""]
        lines += [paragraph(
            f"""{said["date"][:10]}, torch {said["torch"]}, {found["side"]}x{found["side"]} pixels, {found["dtype"]},
            T = {found["steps"]}, {count}. The weights are {found["weights_mib"] / 1024:.2f} GiB.{busy}"""
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


def layouts() -> list[str]:
    """Both layouts of the weights, and compiled blocks."""
    found = json.loads((ROOT / "benchmarks" / "layouts.json").read_text())
    lines = ["| network | rows | as it is, processor seconds | channels-last | compiled | date |", "|---" * 6 + "|"]
    return lines + [
        f"| {name} | {one['rows']} | "
        f"{' | '.join(f'{one[way]:g}' for way in ('contiguous', 'channels_last', 'compiled'))} | {one['date']} |"
        for name, one in found.items()
        if "rows" in one
    ]


def page() -> str:
    """The whole page: the remarks with the tables in their places."""
    remarks = (ROOT / "benchmarks" / "speed" / "remarks.md").read_text()
    filled = {"<!-- tables -->": tables(), "<!-- layouts -->": layouts()}
    for place, lines in filled.items():
        remarks = remarks.replace(place, "\n".join(lines).strip())
    return remarks


if __name__ == "__main__":
    (ROOT / "docs" / "speed.md").write_text(page())
