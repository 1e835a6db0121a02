"""Writes the leaderboard of every method on the painted world, from a run, into the README and docs: make leaderboard.

By kind the same figures go to benchmarks/edits.json, for docs/benchmark.md. Of a run that has every method as drawn and
kept, the page says beside that what keeping kept.

The run is the one that `make leaderboard` begins or goes on with: every method with its recommended settings, held-out
scenes of six kinds of edit.
"""

import json
import math
import re
import sys
import textwrap
from pathlib import Path

from retouch.methods.registry import methods
from retouch.picture import write_picture
from retouch.quantity import DECIBELS
from retouch.quantity import shown as shown_value
from retouch.report import gather, leaderboard
from retouch.runs.results import results
from retouch.runs.run import Run
from retouch.sheet import contact_sheet, labelled

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- leaderboard: written by make leaderboard -->", "<!-- end of leaderboard -->"
COLUMNS = {
    "both": "both", "asked": "asked", "kept": "kept", "clip_score": "CLIP score", "psnr.outside": "PSNR outside, dB",
    "ssim.outside": "SSIM outside", "seconds": "seconds", "evaluations": "evaluations",
}  # fmt: skip


KEEPING = {
    "both": "both, %", "untouched.outside": "untouched outside, %", "psnr.outside": "PSNR outside, dB",
    "shift.outside": "shift outside, pixels", "sharpness.outside": "sharpness outside",
    "tone_drift.outside": "tone drift outside, levels",
}  # fmt: skip
"""Of each method as drawn and as kept."""


def drawn(run: Run) -> list[str]:
    """The labels of the methods as they draw, in the run's order."""
    return [label for label, method in run.manifest.methods.items() if method.get("keep", "off") == "off"]


def shown(name: str, cell) -> str:
    """A cell: a share with its interval, or a plain number."""
    if name in ("asked", "kept", "both"):
        return f"{100 * cell.mean:.0f} % ({100 * cell.low:.0f}–{100 * cell.high:.0f})"
    unit = DECIBELS if name.startswith("psnr") else ""
    return shown_value(cell.mean, unit, 3 if name.startswith("ssim") else 0 if name == "evaluations" else 1)


def ordered(board, labels) -> list:
    """The rows of these labels, the best first."""
    rows = [row for row in board.rows if row.label in labels]
    return sorted(rows, key=lambda row: (-row.cells["both"].mean, -row.cells["psnr.outside"].mean))


def table(board, labels) -> list[str]:
    """Markdown, the best first."""
    lines = [f"| method | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    return lines + [
        f"| `{row.label}` | {' | '.join(shown(name, row.cells[name]) for name in COLUMNS)} |"
        for row in ordered(board, labels)
    ]


def keeping_table(run: Run, board) -> list[str]:
    """Markdown: what each method left alone, as drawn → kept; none of a run that has none kept."""
    rows = {row.label: row for row in board.rows}
    pairs = [(row, rows[f"{row.label} kept"]) for row in ordered(board, drawn(run)) if f"{row.label} kept" in rows]
    if not pairs:
        return []

    def both(name: str, *cells) -> str:
        share = name in ("both", "untouched.outside")
        units = "%" if share else DECIBELS if name.startswith("psnr") else ""
        decimals = 0 if share else 2 if name.startswith(("shift", "sharp")) else 1
        return " → ".join(shown_value(cell.mean, units, decimals) for cell in cells)

    lines = [f"| method | {' | '.join(KEEPING.values())} |", "|---" * (len(KEEPING) + 1) + "|"]
    return lines + [
        f"| `{one.label}` | {' | '.join(both(name, one.cells[name], other.cells[name]) for name in KEEPING)} |"
        for one, other in pairs
    ]


def grid(run: Run, place: Path) -> None:
    """The first case of every kind by every method."""
    first = {}
    for entry in run.cases():
        first.setdefault(entry.kind, entry)
    by_key = {record.key: record for record in run.records()}
    rows = []
    for entry in first.values():
        case = run.case(entry.id)
        tiles = [labelled(case.picture, entry.source, 112, 4), labelled(case.truth, entry.target, 112, 4)]
        for label in drawn(run):
            record = by_key[entry.id, label, run.manifest.seeds[0]]
            tiles.append(labelled(run.edit(record), label, 112, 4))
        rows.append(tiles)
    half = (len(rows[0]) + 1) // 2
    write_picture(contact_sheet([part for row in rows for part in (row[:half], row[half:])]), place, force=True)


def by_kind(run: Run) -> dict:
    """The means of every method by kind of edit, for docs/benchmark.md; the order is the leaderboard's."""
    about, rows = run.manifest.suite, []
    found = results(run)
    for (method, kind), group in found[found["method"].isin(drawn(run))].groupby(["method", "kind"], sort=False):
        psnr = group["psnr.outside"].mean()
        rows.append(
            {
                "method": method, "kind": kind, "count": len(group), "asked": group["asked"].mean(),
                "kept": group["kept"].mean(), "both": group["both"].mean(),
                "outside_psnr": None if math.isnan(psnr) else psnr,
            }
        )  # fmt: skip
    order, kinds = [*methods(), *run.manifest.methods], about["kinds"]
    rows.sort(key=lambda row: (order.index(row["method"]), kinds.index(row["kind"])))
    figures = {"date": run.manifest.environment["date"][:10], "model": run.manifest.model["fingerprint"]}
    return {**figures, "start": about["start"], "command": "make leaderboard", "rows": rows}


def blocks(run: Run) -> tuple[str, str]:
    """What stands between the marks: in the README, and in the page, which says more where the run knows it."""
    board, about, environment = leaderboard(gather([run])), run.manifest.suite, run.manifest.environment
    cases = about["count"] * len(about["kinds"])
    told = textwrap.fill(
        f"{cases} held-out cases ({about['count']} of each: {', '.join(about['kinds'])}), every method with "
        f"the settings that Diorama recommends, one seed; {environment['date'][:10]}, {environment['cpu']}, "
        f"{environment['threads']} thread. *Asked*: the asked change is there; *kept*: the share of the other "
        "attributes that are as they were; *both*: the change is there and everything else kept. In brackets "
        "95 % bootstrap intervals over cases; where no case failed, they say no more than that. *Outside*: of "
        "the region that the edit may change, against the input.",
        120,
    )
    lines, more = [told, "", *table(board, drawn(run))], keeping_table(run, board)
    if more:
        keeps = textwrap.fill(
            "The same edits as the methods drew them (above, `--keep off`) → with what they did not change put back "
            "([docs/keeping.md](keeping.md), `--keep auto`); means over cases. *Untouched*: pixels that are the "
            "input's own, byte for byte; *sharpness*: 1 is as sharp as the input.",
            120,
        )
        more = ["", keeps, "", *more]
    short, long = ("\n".join([BEGIN, *part, END]) for part in (lines, [*lines, *more]))
    return short, long


def main() -> None:
    """Reads the run, writes the tables and the grid."""
    run = Run.open(sys.argv[1])
    assert set(run.manifest.methods) >= set(methods()), "the run has not every method"
    for path, text in zip((ROOT / "README.md", ROOT / "docs" / "leaderboard.md"), blocks(run), strict=True):
        before = path.read_text()
        path.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _, text=text: text, before, flags=re.DOTALL))
    (ROOT / "benchmarks" / "edits.json").write_text(json.dumps(by_kind(run), indent=1) + "\n")
    grid(run, ROOT / "docs" / "pictures" / "leaderboard.jpg")


if __name__ == "__main__":
    main()
