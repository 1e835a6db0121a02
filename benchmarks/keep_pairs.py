"""What `retouch keep` restores: true edits at 1024 pixels, moved, zoomed, toned, blurred, noisy, some of half the size.

One line of results a pair; what is there already is not made again.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
from PIL import Image

from retouch.diorama.pairs import edit_pair
from retouch.keep import keep

KINDS = ("colour", "accessory", "subject", "pose")
SIDE, START = 1024, 2000


def drifted(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """What a tool that redraws pictures makes of one: up to 8 pixels and 2 % away, and 8 % and 8 levels in tone."""
    zoom = 1 + rng.uniform(-0.02, 0.02)
    moved = rng.uniform(-8, 8, 2) + (1 - zoom) * SIDE / 2
    matrix = np.array([[zoom, 0, moved[0]], [0, zoom, moved[1]]])
    values = np.asarray(picture, np.float32)
    out = cv2.warpAffine(values, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.2))
    out = out * rng.uniform(0.92, 1.08, 3) + rng.uniform(-8, 8, 3) + rng.normal(0, rng.uniform(0.1, 2), out.shape)
    edit = Image.fromarray(out.clip(0, 255).astype(np.uint8))
    return edit.resize((SIDE // 2, SIDE // 2), Image.Resampling.LANCZOS) if rng.random() < 1 / 3 else edit


def measured(kind: str, seed: int) -> dict:
    """How much of what the true edit leaves alone came back exactly, and how much of what it changes was lost."""
    pair = edit_pair(kind, seed, side=SIDE)
    edit = drifted(pair.truth, np.random.default_rng(1000 * seed + KINDS.index(kind)))
    began = time.process_time()
    made = keep(pair.picture, edit)
    seconds = time.process_time() - began
    before, out, truth = (np.asarray(one, int) for one in (pair.picture, made.image, pair.truth))
    differs, same = np.abs(before - truth).max(2) > 12, (before == out).all(2)
    return {
        "kind": kind, "seed": seed, "half": edit.width < SIDE, "seconds": round(seconds, 2),
        "restored": float(same[~differs].mean()), "lost": float(same[differs].mean()),
    }  # fmt: skip


def table(rows: list[dict]) -> str:
    """By kind: medians, and the worst."""
    lines = ["| kind | pairs | restored | the least | lost | the most | seconds |", "|---|---|---|---|---|---|---|"]
    for kind in (*KINDS, "all"):
        some = [row for row in rows if kind in (row["kind"], "all")]
        if some:
            kept, lost = [row["restored"] for row in some], [row["lost"] for row in some]
            shown = f"{median(kept):.1%} | {min(kept):.1%} | {median(lost):.2%} | {max(lost):.2%}"
            lines.append(f"| {kind} | {len(some)} | {shown} | {mean(row['seconds'] for row in some):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measures what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("runs/keep_pairs.jsonl"))
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.exists() else []
    there = {(row["kind"], row["seed"]) for row in rows}
    for seed in range(START, START + options.count):
        for kind in KINDS:
            if (kind, seed) not in there:
                rows.append(measured(kind, seed))
                with options.output.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
