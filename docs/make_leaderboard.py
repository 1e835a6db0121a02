"""Writes the leaderboard of every method on the painted world, from a run, into the README and docs: make leaderboard.

By kind the same figures go to benchmarks/edits.json, for docs/benchmark.md.

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


def shown(name: str, cell) -> str:
    """A cell: a share with its interval, or a plain number."""
    if name in ("asked", "kept", "both"):
        return f"{100 * cell.mean:.0f} % ({100 * cell.low:.0f}–{100 * cell.high:.0f})"
    unit = DECIBELS if name.startswith("psnr") else ""
    return shown_value(cell.mean, unit, 3 if name.startswith("ssim") else 0 if name == "evaluations" else 1)


def table(board) -> list[str]:
    """Markdown, the best first."""
    rows = sorted(board.rows, key=lambda row: (-row.cells["both"].mean, -row.cells["psnr.outside"].mean))
    lines = [f"| method | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    return lines + [
        f"| `{row.label}` | {' | '.join(shown(name, row.cells[name]) for name in COLUMNS)} |" for row in rows
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
        for label in run.manifest.methods:
            record = by_key[entry.id, label, run.manifest.seeds[0]]
            tiles.append(labelled(run.edit(record), label, 112, 4))
        rows.append(tiles)
    half = (len(rows[0]) + 1) // 2
    write_picture(contact_sheet([part for row in rows for part in (row[:half], row[half:])]), place, force=True)


def by_kind(run: Run) -> dict:
    """The means of every method by kind of edit, for docs/benchmark.md; the order is the leaderboard's."""
    about, rows = run.manifest.suite, []
    for (method, kind), group in results(run).groupby(["method", "kind"], sort=False):
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


def main() -> None:
    """Reads the run, writes two tables and the grid."""
    run = Run.open(sys.argv[1])
    assert set(run.manifest.methods) >= set(methods()), "the run has not every method"
    board = leaderboard(gather([run]))
    about, environment = run.manifest.suite, run.manifest.environment
    cases = about["count"] * len(about["kinds"])
    text = "\n".join(
        [
            BEGIN,
            textwrap.fill(
                f"{cases} held-out cases ({about['count']} of each: {', '.join(about['kinds'])}), every method with "
                f"the settings that Diorama recommends, one seed; {environment['date'][:10]}, {environment['cpu']}, "
                f"{environment['threads']} thread. *Asked*: the asked change is there; *kept*: the share of the other "
                "attributes that are as they were; *both*: the change is there and everything else kept. In brackets "
                "95 % bootstrap intervals over cases; where no case failed, they say no more than that. *Outside*: of "
                "the region that the edit may change, against the input.",
                120,
            ),
            "",
            *table(board),
            END,
        ]
    )
    page = ROOT / "docs" / "leaderboard.md"
    for path in (ROOT / "README.md", page):
        before = path.read_text()
        path.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: text, before, flags=re.DOTALL))
    (ROOT / "benchmarks" / "edits.json").write_text(json.dumps(by_kind(run), indent=1) + "\n")
    grid(run, ROOT / "docs" / "pictures" / "leaderboard.jpg")


if __name__ == "__main__":
    main()
