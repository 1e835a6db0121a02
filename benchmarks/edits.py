"""How well methods edit: held-out edit pairs of the painted world, looked at by the judge, with a picture grid.

For each edit kind: how often the asked attribute is there, how many of the other attributes are kept, both, and the
PSNR against the true edited picture outside the region that may change (whole picture where nothing is outside).
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import KINDS, asked_and_kept, edit_pairs
from retouch.editor import Editor
from retouch.methods.parameters import settings_from_text

ATTRIBUTES = ("subject", "colour", "pose", "place", "accessory", "style")


def outside_psnr(pair, edited):
    """PSNR in dB between the edit and the picture outside the mask; None where the mask leaves nothing."""
    outside = np.asarray(pair.mask) == 0
    if outside.mean() < 0.02:
        return None
    error = (np.asarray(pair.picture, float)[outside] - np.asarray(edited, float)[outside]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-6)))


def main() -> None:
    """Edits, judges, prints a table, writes figures and a grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="prox-npi")
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--kinds", default="colour,subject,place,style,accessory,pose")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument(
        "--start", type=int, default=1000, help="first seed of the pairs; defaults were chosen on 0..999"
    )
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    editor, judge, rows, tiles = Editor.from_pretrained(options.model), load_judge(), {}, []
    settings = settings_from_text(options.set)
    for kind in options.kinds.split(","):
        assert kind in KINDS, kind
        asked_ok, kept_ok, both, psnrs = [], [], [], []
        for pair in edit_pairs(kind, options.count, options.start):
            result = editor.edit(
                pair.picture, source=pair.source_prompt, target=pair.target_prompt, method=options.method, **settings
            )
            seen = judge.look([result.image])[0]
            asked, kept = asked_and_kept(pair)
            asked_ok.append(all(seen[a] == (getattr(pair.target, a) or "none") for a in asked))
            kept = [a for a in kept if a in ATTRIBUTES]
            kept_ok.append(np.mean([seen[a] == (getattr(pair.target, a) or "none") for a in kept]))
            both.append(asked_ok[-1] and kept_ok[-1] == 1)
            psnrs.append(outside_psnr(pair, result.image))
            tiles.append((pair, result.image, asked_ok[-1], kept_ok[-1]))
        known = [p for p in psnrs if p is not None]
        rows[kind] = {
            "asked": float(np.mean(asked_ok)), "kept": float(np.mean(kept_ok)), "both": float(np.mean(both)),
            "outside_psnr": float(np.mean(known)) if known else None, "count": len(both),
        }  # fmt: skip
        print(
            f"{options.method:18}{kind:18}" + "  ".join(f"{k} {v:.3f}" for k, v in rows[kind].items() if v is not None),
            flush=True,
        )
    if options.output:
        options.output.write_text(json.dumps({"method": options.method, "settings": settings, "kinds": rows}, indent=1))
    if options.grid:
        grid(tiles, options.count).save(options.grid)


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


if __name__ == "__main__":
    main()
