"""Writes docs/benchmark.md from the figures that benchmarks/run.py, memory.py and edits.py left behind."""

import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent


def paragraph(text: str) -> str:
    """Prose of any shape in lines of 120."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def cost_section(cost: dict) -> list[str]:
    """What an edit costs."""
    lines = [
        "## What an edit costs",
        "",
        paragraph(f"""`make bench`, {cost["date"]}: {cost["processor"]}, {cost["threads"]} threads, torch
            {cost["torch"]}, Diorama at its native 128x128 pixels, the published settings, T = 50. *Bare* is the time of
            the same network evaluations in the same batch shapes with nothing around them, with a backward pass where
            the edit has one; the goal for the ratio is 1.15. The first model of a process is loaded together with
            diffusers and transformers; *again* is the loading alone."""),
        "",
        "| method | evaluations | with a backward pass | seconds | processor seconds | bare | ratio "
        "| loading, first, s | again, s | peak memory, MiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{m['method']}` | {m['evaluations']} | {m['with_backward'] or ''} | {m['seconds']:.2f} "
        f"| {m['processor_seconds']:.1f} | {m['bare_seconds']:.2f} | {m['ratio']:.2f} | {m['loading_seconds']:.2f} "
        f"| {m['loading_again_seconds']:.2f} | {m['peak_mib']} |"
        for m in cost["methods"]
    ]
    return lines


def memory_section(memory: dict) -> list[str]:
    """What a guided step holds."""
    lines = [
        "",
        "## Memory of Guide-and-Rescale",
        "",
        paragraph(f"""`python benchmarks/memory.py`, {memory["date"]}: one guided step on a network of Stable Diffusion
            1.x's size at {memory["side"]}x{memory["side"]} pixels in half precision, every tensor's bytes counted on
            fake tensors, the weights of the U-Net included. No attention map is ever held whole: the energies keep
            queries and keys."""),
        "",
        "| preset | gradient_checkpointing | peak, GiB | of which weights |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| {row['preset']} | {'on' if row['checkpointing'] else 'off'} | {row['total'] / 2**30:.2f} "
        f"| {row['weights'] / 2**30:.2f} |"
        for row in memory["rows"]
    ]


def pivot(rows: list[dict], cell) -> list[str]:
    """Methods down, kinds across."""
    kinds, names = (list(dict.fromkeys(row[key] for row in rows)) for key in ("kind", "method"))
    found = {(row["method"], row["kind"]): row for row in rows}
    lines = [f"| method | {' | '.join(kinds)} |", "|---|" + "---|" * len(kinds)]
    for name in names:
        cells = [cell(found[name, kind]) if (name, kind) in found else "" for kind in kinds]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def percent(share: float) -> str:
    """As a whole number."""
    return f"{100 * share:.0f}"


def quality_section(edits: dict) -> list[str]:
    """How well methods edit."""
    rows = edits["rows"]
    plain = {row["kind"]: row["outside_psnr"] for row in rows if row["method"] == "ddim"}

    def preserved(row: dict) -> str:
        value = row["outside_psnr"]
        if value is None:
            return "–"
        better = row["method"] != "ddim" and value > plain[row["kind"]]
        return f"**{value:.1f}**" if better else f"{value:.1f}"

    best = {}
    for row in rows:
        score = (row["both"], row["asked"], row["outside_psnr"] or 0)
        if row["kind"] not in best or score > best[row["kind"]][0]:
            best[row["kind"]] = (score, row)
    count = min(row["count"] for row in rows)
    seeds = f"{edits['start']}..{edits['start'] + count - 1}"
    return [
        "",
        "## How well methods edit",
        "",
        paragraph(f"""`python benchmarks/edits.py {edits["command"]}`, {edits["date"]}: {count} held-out
            scenes of the painted world per edit kind (pair seeds {seeds}), the settings that Diorama recommends
            (chosen on seeds below 1000), one seed, nothing selected. Whether an attribute is there is decided by the
            judge, a classifier that shares nothing with the model."""),
        "",
        "**Asked change there / other attributes kept**, in percent:",
        "",
        *pivot(rows, lambda row: f"{percent(row['asked'])} / {percent(row['kept'])}"),
        "",
        "**Both in one picture** (the asked change, and every other attribute), in percent:",
        "",
        *pivot(rows, lambda row: percent(row["both"])),
        "",
        paragraph("""**Preservation**: PSNR against the input in dB, outside the region that the true edit changes; bold
            where it is better than plain DDIM's. A change of style changes everything, so nothing is measured
            there."""),
        "",
        *pivot([row for row in rows if row["kind"] != "style"], preserved),
        "",
        "**The best method per kind** (by both at once, then by the asked change, then by preservation):",
        "",
        *(
            f"- {kind}: `{row['method']}`, {percent(row['asked'])} % asked, {percent(row['kept'])} % kept, "
            f"{percent(row['both'])} % both"
            for kind, (_, row) in best.items()
        ),
    ]


def page(cost: dict, memory: dict, edits: dict, remarks: str) -> str:
    """The page in Markdown."""
    lines = [
        "# Benchmark",
        "",
        "Made by `python docs/make_benchmark.py` from the figures in `benchmarks/`.",
        "",
        *cost_section(cost),
        *memory_section(memory),
        *quality_section(edits),
        "",
        remarks.rstrip(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    folder = ROOT / "benchmarks"
    figures = [json.loads((folder / f"{name}.json").read_text()) for name in ("results", "memory", "edits")]
    remarks = (folder / "remarks.md").read_text()
    (ROOT / "docs" / "benchmark.md").write_text(page(*figures, remarks))
