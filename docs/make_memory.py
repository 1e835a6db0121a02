"""Writes docs/memory.md from the figures that benchmarks/memory.py left in benchmarks/memory.json."""

import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODELS = {
    "sd15-shape": "Stable Diffusion 1.5", "sd21-shape": "Stable Diffusion 2.1", "sdxl-shape": "SDXL",
    "if-shape": "DeepFloyd IF-I-XL, its T5-XXL and no second stage",
}  # fmt: skip
SETTINGS = ("fast", "balanced", "low")
GOALS = (
    ("prox-npi", {}, "sdxl-shape", 1024, 12), ("imagic", {"adapter_rank": 8}, "sd15-shape", 512, 10),
    ("imagic", {"adapter_rank": 8}, "sdxl-shape", 1024, 16), ("guide-and-rescale", {}, "sd15-shape", 512, 8),
)  # fmt: skip


def paragraph(text: str) -> str:
    """Prose of any shape in lines of 120."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def gib(row: dict | None) -> str:
    """A row's bytes."""
    return "" if row is None or "total" not in row else f"{row['total'] / 2**30:.2f}"


def called(method: str, settings: dict) -> str:
    """A method with its settings."""
    more = ", adapters of rank 8" if settings else ""
    return f"`{method}`{more}"


def tables(rows: list[dict]) -> list[str]:
    """A table for every family: methods down, sizes and settings across."""
    lines = []
    for shape, title in MODELS.items():
        mine = [row for row in rows if row["shape"] == shape]
        if not mine:
            continue
        sides = sorted({row["side"] for row in mine})
        found = {(row["method"], str(row["settings"]), row["side"], row["memory"]): row for row in mine}
        weights = next(row["weights"] for row in mine if "weights" in row)
        titles = ["method", *(f"{side}², {setting}" for side in sides for setting in SETTINGS)]
        lines += ["", f"### {title}", "", f"The weights are {weights / 2**30:.2f} GiB.", ""]
        lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        for method, settings in sorted({(row["method"], str(row["settings"])) for row in mine}):
            cells = [gib(found.get((method, settings, side, setting))) for side in sides for setting in SETTINGS]
            lines.append(f"| {called(method, settings != '{}')} | {' | '.join(cells)} |")
    return lines


def goals(rows: list[dict]) -> list[str]:
    """What was aimed at, and what each setting takes."""
    lines = ["| edit | goal, GiB | fast | balanced | low |", "|---|---|---|---|---|"]
    for method, settings, shape, side, goal in GOALS:
        found = {
            row["memory"]: row
            for row in rows
            if (row["method"], row["settings"], row["shape"], row["side"]) == (method, settings, shape, side)
        }
        cells = [gib(found.get(setting)) or ("as fast" if setting == "balanced" else "") for setting in SETTINGS]
        lines.append(f"| {called(method, settings)} on {MODELS[shape]}, {side}² | {goal} | {' | '.join(cells)} |")
    return lines


def page() -> str:
    """The page in Markdown."""
    found = json.loads((ROOT / "benchmarks" / "memory.json").read_text())
    rows = found["rows"]
    said = paragraph(
        f"""`python benchmarks/memory.py`, {found["date"]}, torch {found["torch"]}: whole edits in half
        precision with the published settings, the autoencoder in float32 as its configuration wants, every
        tensor that is alive at a time counted, weights of all parts included, on models of these sizes
        whose tensors have no values. No GPU was involved: what its libraries take for workspaces, and the
        gaps between tensors, come on top. A test holds such counts against what real edits on small models
        take. An empty cell was not counted; what is left out of the lists asks for no more than another
        method that is in (`negative-prompt` and `prompt-to-prompt` than `prox-npi`, `sdedit`, `ddib` and
        `diffedit` than `ddim`, and so on)."""
    )
    remarks = (ROOT / "benchmarks" / "memory.md").read_text()
    filled = {"<!-- goals -->": goals(rows), "<!-- said -->": [said], "<!-- tables -->": tables(rows)}
    for place, lines in filled.items():
        remarks = remarks.replace(place, "\n".join(lines).strip())
    return remarks


if __name__ == "__main__":
    (ROOT / "docs" / "memory.md").write_text(page())
