"""Writes docs/benchmark.md from the figures that `make bench` and benchmarks/edits.py left behind."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
COLUMNS = {"asked": "asked change there", "kept": "other attributes kept", "both": "both, in one picture"}


def page(cost: dict, edits: dict) -> str:
    """The page in Markdown."""
    lines = [
        "# Benchmark",
        "",
        "Made by `python docs/make_benchmark.py` from the figures in `benchmarks/`.",
        "",
        "## What an edit costs",
        "",
        f"`make bench`, {cost['date']}: {cost['processor']}, {cost['threads']} threads, torch {cost['torch']},",
        "Diorama at its native 128x128 pixels, T = 50. *Bare* is the time of the same network evaluations in the same",
        "batch shapes with nothing around them; the goal for the ratio is 1.15. The first model of a process is loaded",
        "together with diffusers and transformers; *again* is the loading alone.",
        "",
        "| method | evaluations | seconds | bare | ratio | loading, first, s | again, s | peak memory, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{m['method']}` | {m['evaluations']} | {m['seconds']:.2f} | {m['bare_seconds']:.2f} | {m['ratio']:.2f} "
        f"| {m['loading_seconds']:.2f} | {m['loading_again_seconds']:.2f} | {m['peak_mib']} |"
        for m in cost["methods"]
    ]
    seeds = f"{edits['start']}..{edits['start'] + edits['rows'][0]['count'] - 1}"
    lines += [
        "",
        "## How well methods edit",
        "",
        f"`python benchmarks/edits.py`, {edits['date']}: held-out scenes of the painted world (pair seeds {seeds}),",
        "the settings that Diorama recommends (chosen on other seeds), one seed, nothing selected. Whether a change is",
        "there is decided by the judge, a classifier that shares nothing with the model. PSNR is against the input,",
        "outside the region that the true edit changes.",
        "",
        f"| method | edit | pictures | {' | '.join(COLUMNS.values())} | PSNR outside |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in edits["rows"]:
        shares = " | ".join(f"{100 * row[name]:.0f} %" for name in COLUMNS)
        outside = "" if row["outside_psnr"] is None else f"{row['outside_psnr']:.1f} dB"
        lines.append(f"| `{row['method']}` | {row['kind']} | {row['count']} | {shares} | {outside} |")
    lines += [
        "",
        "A pose is not what ProxNPI is made for: it inverts the old outline and keeps close to it. What most often",
        "goes wrong with a place is a great change of brightness, which the inverted noise remembers.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    cost, edits = (json.loads((ROOT / "benchmarks" / name).read_text()) for name in ("results.json", "edits.json"))
    (ROOT / "docs" / "benchmark.md").write_text(page(cost, edits))
