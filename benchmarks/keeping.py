"""What keeping keeps: held-out painted pairs at 1024 pixels, edited by the 128-pixel model, against the truth.

Every edit is measured as it is returned and as the model drew it, enlarged. One line of results a case; what is there
already is not made again.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median

import numpy as np
from PIL import Image, ImageOps

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import asked_and_kept, edit_pair
from retouch.editor import Editor
from retouch.explore.preservation import psnr, ssim
from retouch.parts.inversions import Inversions

KINDS = ("colour", "accessory", "subject", "pose")
SIDE, START = 1024, 2000
JUDGED = ("subject", "colour", "pose", "place", "accessory", "style")


def measured(editor: Editor, judge, kind: str, seed: int, method: str | None) -> dict:
    """One edit: what of the picture away from the true change it kept, and how near it came to the truth inside."""
    pair = edit_pair(kind, seed, side=SIDE)
    began = time.process_time()
    given = {"source": pair.source_prompt, "target": pair.target_prompt, "method": method, "inversions": Inversions()}
    result = editor.edit(pair.picture, **given)
    seconds, drawn = time.process_time() - began, result.drawn
    outside = ImageOps.invert(pair.mask)
    same = (np.asarray(result.image) == np.asarray(pair.picture)).all(2)
    asked, kept = asked_and_kept(pair)

    def both(image: Image.Image) -> list[bool]:
        (seen,) = judge.look([image.resize((128, 128), Image.Resampling.BOX)])
        return [
            all(seen[name] == (getattr(pair.target, name) or "none") for name in names if name in JUDGED)
            for names in (asked, kept)
        ]

    away = np.asarray(outside) > 127
    return {
        "kind": kind, "seed": seed, "method": result.recipe["method"], "evaluations": result.evaluations,
        "seconds": round(seconds, 2), "untouched": result.untouched, "identical_outside": float(same[away].mean()),
        "psnr_outside": psnr(pair.picture, result.image, outside), "ssim_outside": ssim(pair.picture, result.image, outside),
        "psnr_outside_drawn": psnr(pair.picture, drawn, outside), "ssim_outside_drawn": ssim(pair.picture, drawn, outside),
        "psnr_inside": psnr(pair.truth, result.image, pair.mask), "psnr_inside_drawn": psnr(pair.truth, drawn, pair.mask),
        "judged": both(result.image), "judged_drawn": both(drawn),
        "whole": any("everywhere" in note for note in result.notes),
    }  # fmt: skip


def table(rows: list[dict]) -> str:
    """Medians by kind, and the judge's means."""
    names = ("identical_outside", "psnr_outside", "psnr_outside_drawn", "ssim_outside", "ssim_outside_drawn",
             "psnr_inside", "psnr_inside_drawn")  # fmt: skip
    lines = [
        "| kind | cases | identical outside | PSNR outside | as drawn | SSIM outside | as drawn | PSNR inside | as drawn "
        "| asked and kept | as drawn |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, "all"):
        some = [row for row in rows if kind in (row["kind"], "all")]
        if not some:
            continue
        values = [median(row[name] for row in some) for name in names]
        verdicts = [mean(all(row[name]) for row in some) for name in ("judged", "judged_drawn")]
        shown = [f"{100 * values[0]:.1f} %", *(f"{value:.1f}" for value in values[1:3])]
        shown += [f"{value:.3f}" for value in values[3:5]] + [f"{value:.1f}" for value in values[5:]]
        shown += [f"{100 * value:.0f} %" for value in verdicts]
        lines.append(f"| {kind} | {len(some)} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measures what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default=None)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("runs/keeping.jsonl"))
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.exists() else []
    there = {(row["kind"], row["seed"]) for row in rows}
    editor, judge = Editor.from_pretrained("diorama"), load_judge()
    for seed in range(START, START + options.count):
        for kind in KINDS:
            if (kind, seed) not in there:
                rows.append(measured(editor, judge, kind, seed, options.method))
                with options.output.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
