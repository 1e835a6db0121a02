"""Writes docs/benchmark.md from the figures that `make bench` and `make leaderboard` left in benchmarks/."""

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
            the edit has one; the goal for the ratio is 1.10. The first model of a process is loaded together with
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
        paragraph(f"""`{edits["command"]}`, {edits["date"]}: {count} held-out scenes of the painted world per edit kind
            (pair seeds {seeds}), the settings that Diorama recommends (chosen on seeds below 1000), one seed, nothing
            selected. Whether an attribute is there is decided by the judge, a classifier that shares nothing with the
            model."""),
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
            where it is better than plain DDIM's."""),
        "",
        *pivot(rows, preserved),
        "",
        "**The best method per kind** (by both at once, then by the asked change, then by preservation):",
        "",
        *(
            f"- {kind}: `{row['method']}`, {percent(row['asked'])} % asked, {percent(row['kept'])} % kept, "
            f"{percent(row['both'])} % both"
            + (f", {row['outside_psnr']:.1f} dB" if row["outside_psnr"] is not None else "")
            for kind, (_, row) in best.items()
        ),
    ]


def fitting_section(fitting: dict) -> list[str]:
    """What fits cost."""
    lines = [
        "",
        "## What a fit costs",
        "",
        paragraph(f"""`python benchmarks/fitting.py`, {fitting["date"]}: {fitting["processor"]}, {fitting["device"]},
            {fitting["threads"]} threads, torch {fitting["torch"]}, Diorama. One optimiser step on a batch of noise
            levels, against the network's bare forward and backward pass to the same variables on the same batch; the
            goal for the ratio is 1.15."""),
        "",
        "| what is fitted | noise levels | seconds a step | bare | ratio |",
        "|---|---|---|---|---|",
        *(
            f"| {row['what']} | {row['batch_size']} | {row['seconds']:.3f} | {row['bare_seconds']:.3f} "
            f"| {row['ratio']:.2f} |"
            for row in fitting["steps"]
        ),
        "",
        "Whole edits, fit and sampling, with the settings that Diorama recommends:",
        "",
        "| method | optimiser steps | evaluations | seconds |",
        "|---|---|---|---|",
        *(
            f"| `{row['method']}` | {', '.join(f'{n} {stage}' for stage, n in row['steps'].items())} "
            f"| {row['evaluations']} | {row['seconds']:.0f} |"
            for row in fitting["fits"]
        ),
        "",
        paragraph("""**Memory of E4C's CLIP guidance**: what one iteration keeps for its backward pass through the
            sampling run, in MiB (Diorama, non-rigid mode; weights, autoencoder and CLIP left out). It grows with the
            gateways and hardly with the steps."""),
        "",
    ]
    steps = sorted({row["steps"] for row in fitting["memory"]})
    found = {(row["gateways"], row["steps"]): row["bytes"] / 2**20 for row in fitting["memory"]}
    lines += [f"| gateways | {' | '.join(f'T = {t}' for t in steps)} |", "|---|" + "---|" * len(steps)]
    for gateways in sorted({row["gateways"] for row in fitting["memory"]}):
        lines.append(f"| {gateways} | {' | '.join(f'{found[gateways, t]:.1f}' for t in steps)} |")
    return lines


def fits_section(fits: dict, guided: dict) -> list[str]:
    """How well the methods that optimise edit."""
    count = min(row["count"] for row in fits["rows"])
    dated = " ".join(f"The rows of {name} are of {day}." for name, day in fits.get("dates", {}).items())
    seeds = f"{fits['start']}..{fits['start'] + count - 1}"
    return [
        "",
        "## How well the methods that optimise edit",
        "",
        paragraph(f"""`python benchmarks/fits.py {fits["command"]}`, {fits["date"]}: {count} held-out pairs per kind
            (pair seeds {seeds}), of four seeds the sample with the best CLIP score, as the papers select. *Of all
            four* is what a sample is worth that nobody selects. {dated}"""),
        "",
        "**Asked change there / other attributes kept**, in percent:",
        "",
        *pivot(fits["rows"], lambda row: f"{percent(row['asked'])} / {percent(row['kept'])}"),
        "",
        "**The same of all four**, in percent:",
        "",
        *pivot(fits["rows"], lambda row: f"{percent(row['asked_of_all'])} / {percent(row['kept_of_all'])}"),
        "",
        paragraph(f"""**E4C with CLIP guidance and without** (`python benchmarks/edits.py {guided["command"]}`,
            {guided["date"]}), asked / kept in percent, and PSNR in dB outside the region that may change:"""),
        "",
        *pivot(
            guided["rows"],
            lambda row: (
                f"{percent(row['asked'])} / {percent(row['kept'])}"
                + (f", {row['outside_psnr']:.1f}" if row["outside_psnr"] is not None else "")
            ),
        ),
    ]


def runner_section(runner: dict) -> list[str]:
    """What a run adds to its edits."""
    return [
        "",
        "## What a run adds to its edits",
        "",
        paragraph(f"""`python benchmarks/runner.py`, {runner["date"]},
            {runner["threads"]} threads: {runner["edits"]} edits by six tuning-free methods took
            {runner["edit_seconds"]:.0f} s inside the editor. Cases, pictures and records on the disk added
            {runner["runner_seconds"]:.1f} s ({100 * runner["added"]:.1f} %; the goal is 1), all measures
            {runner["measure_seconds"]:.1f} s. Since a case's methods share its inversion, the whole took
            {runner["whole_to_alone"]:.2f} of what the edits take one by one (the goal is 1.2). Memory:
            {runner["memory_early_mib"]:.0f} MiB early in the run, {runner["memory_late_mib"]:.0f} at its end."""),
    ]


def page(figures: dict, remarks: str) -> str:
    """The page in Markdown; what was not measured yet is left out."""
    lines = [
        "# Benchmark",
        "",
        "Made by `python docs/make_benchmark.py` from the figures in `benchmarks/`.",
        "",
        *cost_section(figures["results"]),
        *(fitting_section(figures["fitting"]) if "fitting" in figures else ()),
        *quality_section(figures["edits"]),
        *(fits_section(figures["fits"], figures["e4c"]) if {"fits", "e4c"} <= figures.keys() else ()),
        *(runner_section(figures["runner"]) if "runner" in figures else ()),
        "",
        remarks.rstrip(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    folder = ROOT / "benchmarks"
    figures = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    remarks = (folder / "remarks.md").read_text()
    (ROOT / "docs" / "benchmark.md").write_text(page(figures, remarks))
