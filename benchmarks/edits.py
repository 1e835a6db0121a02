"""How well methods edit: held-out edit pairs of the painted world, looked at by the judge, with a picture grid.

For each method and edit kind: how often the asked attribute is there, how many of the other attributes are kept, how
often both hold at once, and the PSNR against the input outside the region that may change.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import KINDS, asked_and_kept, edit_pairs
from retouch.editor import Editor
from retouch.parameters import settings_from_text

ATTRIBUTES = ("subject", "colour", "pose", "place", "accessory", "style")


def outside_psnr(pair, edited):
    """PSNR in dB between the edit and the picture outside the mask; None where the mask leaves nothing."""
    outside = np.asarray(pair.mask) == 0
    if outside.mean() < 0.02:
        return None
    error = (np.asarray(pair.picture, float)[outside] - np.asarray(edited, float)[outside]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-6)))


def looked_at(pair, edited, judge):
    """Whether the asked change is there, and the share of the other attributes that are kept, by the judge."""
    seen, (asked, kept) = judge.look([edited])[0], asked_and_kept(pair)
    names = (*ATTRIBUTES, pair.kind)  # a direction or variant counts where it is what was asked

    def right(attribute):
        return seen[attribute] == (getattr(pair.target, attribute) or "none")

    return all(map(right, set(asked) & set(names))), float(np.mean([right(k) for k in kept if k in ATTRIBUTES]))


def measure(editor, judge, method, settings, kind, count, start):
    """One row of the table, and the tiles of the grid."""
    rows, tiles, began = [], [], time.perf_counter()
    for pair in edit_pairs(kind, count, start):
        edited = editor.edit(
            pair.picture, source=pair.source_prompt, target=pair.target_prompt, method=method, **settings
        ).image
        asked, kept = looked_at(pair, edited, judge)
        rows.append((asked, kept, asked and kept == 1))
        tiles.append((pair, edited, asked, kept))
    known = [p for pair, edited, _, _ in tiles if (p := outside_psnr(pair, edited)) is not None]
    asked, kept, both = (float(np.mean(column)) for column in zip(*rows, strict=True))
    return {
        "method": method, "kind": kind, "count": count, "asked": asked, "kept": kept, "both": both,
        "outside_psnr": float(np.mean(known)) if known else None,
        "seconds": (time.perf_counter() - began) / count,
    }, tiles  # fmt: skip


def grid(tiles, columns):
    """Input, edit and truth above each other, a green bar under edits that show what was asked, red under others."""
    side, rows = 128, -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * (3 * side + 26)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (pair, edited, asked, kept) in enumerate(tiles):
        x, y = i % columns * (side + 4), i // columns * (3 * side + 26)
        for k, image in enumerate((pair.picture, edited, pair.truth)):
            sheet.paste(image, (x, y + k * side))
        change = [getattr(pair.target, a) or "none" for a in asked_and_kept(pair)[0]]
        draw.rectangle((x, y + 3 * side, x + side, y + 3 * side + 4), fill="green" if asked else "red")
        draw.text((x, y + 3 * side + 6), f"{', '.join(change)}  kept {kept:.0%}", fill="black")
    return sheet


def main() -> None:
    """Edits, judges, prints a table, writes figures and a grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="prox-npi")
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--kinds", default="colour,subject,place,style,accessory,pose")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--start", type=int, default=1000, help="first seed; the settings were chosen on 0..999")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--grid", type=Path, help="a picture of all edits")
    parser.add_argument("--output", type=Path, help="the figures, as JSON")
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        if kind not in KINDS:
            parser.error(f"there is no edit kind {kind!r}; the kinds are: {', '.join(KINDS)}")
    editor, judge, settings = Editor.from_pretrained(options.model), load_judge(), settings_from_text(options.set)
    rows, pictures = [], []
    for method in options.methods.split(","):
        for kind in options.kinds.split(","):
            row, tiles = measure(editor, judge, method, settings, kind, options.count, options.start)
            rows.append(row)
            pictures += tiles
            print(
                "  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v!s:16}" for k, v in row.items()), flush=True
            )
    if options.output:
        figures = {"date": str(date.today()), "model": editor.model.fingerprint, "start": options.start, "rows": rows}
        options.output.write_text(json.dumps({**figures, "settings": settings}, indent=1) + "\n")
    if options.grid:
        grid(pictures, options.count).save(options.grid)


if __name__ == "__main__":
    main()
