"""How well methods edit: held-out edit pairs of the painted world, looked at by the judge, with a picture grid.

For each method and edit kind: how often the asked attribute is there, how many of the other attributes are kept, how
often both hold at once, and the PSNR against the input outside the region that may change.

Every edit is a line of the log, written when it is done: run again after an interruption, the command goes on where it
was. Several processes may share a log, each with its --shard. All methods that can share a picture's inversion do.
"""

import argparse
import json
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import KINDS, asked_and_kept, edit_pair
from retouch.editor import Editor
from retouch.methods.registry import methods
from retouch.parameters import settings_from_text
from retouch.parts.inversions import Inversions
from retouch.quantity import decibels

ATTRIBUTES = ("subject", "colour", "pose", "place", "accessory", "style")


def outside_psnr(pair, edited):
    """PSNR in dB between the edit and the picture outside the mask, 100 where they are identical; None where the mask
    leaves nothing.
    """
    outside = np.asarray(pair.mask) == 0
    if outside.mean() < 0.02:
        return None
    error = ((np.asarray(pair.picture, float)[outside] - np.asarray(edited, float)[outside]) / 255) ** 2
    return decibels(float(error.mean()))


def looked_at(pair, edited, judge):
    """Whether the asked change is there, and the share of the other attributes that are kept, by the judge."""
    seen, (asked, kept) = judge.look([edited])[0], asked_and_kept(pair)
    names = (*ATTRIBUTES, pair.kind)  # a direction or variant counts where it is what was asked

    def right(attribute):
        return seen[attribute] == (getattr(pair.target, attribute) or "none")

    return all(map(right, set(asked) & set(names))), float(np.mean([right(k) for k in kept if k in ATTRIBUTES]))


def variant(text):
    """A method's name with settings: "masactrl:start_step=2,guidance_scale=3"."""
    name, _, rest = text.partition(":")
    return name, settings_from_text([pair for pair in rest.split(",") if pair])


def edits(editor, judge, variants, kind, numbers, log, pictures):
    """Makes and judges the edits of one kind that the log does not hold yet."""
    known = {(row["method"], row["kind"], row["seed"]) for row in read(log) if row["model"] == editor.model.fingerprint}
    for number in numbers:
        missing = [text for text in variants if (text, kind, number) not in known]
        if not missing:
            continue
        pair, shared = edit_pair(kind, number), Inversions()
        for text in missing:
            name, settings = variant(text)
            began = time.perf_counter()
            edited = editor.edit(
                pair.picture, source=pair.source_prompt, target=pair.target_prompt, method=name, inversions=shared,
                **settings,
            ).image  # fmt: skip
            asked, kept = looked_at(pair, edited, judge)
            row = {
                "method": text, "kind": kind, "seed": number, "model": editor.model.fingerprint, "asked": asked,
                "kept": kept, "outside_psnr": outside_psnr(pair, edited), "seconds": time.perf_counter() - began,
            }  # fmt: skip
            if pictures:
                folder = pictures / text.replace(":", " ")
                folder.mkdir(parents=True, exist_ok=True)
                edited.save(folder / f"{kind} {number}.png")
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{text:24} {kind:16} {number} asked {asked:d} kept {kept:.2f}", flush=True)


def read(log):
    """The log's lines; a last line that a kill cut off is left out."""
    rows = []
    for line in log.read_text().splitlines() if log.exists() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def summary(rows):
    """One row of the table per method and kind."""
    groups = {}
    for row in rows:
        groups.setdefault((row["method"], row["kind"]), []).append(row)
    return [
        {
            "method": method, "kind": kind, "count": len(group),
            "asked": float(np.mean([row["asked"] for row in group])),
            "kept": float(np.mean([row["kept"] for row in group])),
            "both": float(np.mean([row["asked"] and row["kept"] == 1 for row in group])),
            "outside_psnr": float(np.mean(known)) if (known := [
                row["outside_psnr"] for row in group if row["outside_psnr"] is not None
            ]) else None,
        }
        for (method, kind), group in groups.items()
    ]  # fmt: skip


def with_common_options(parser, kinds, log):
    """The options that all quality benchmarks share, read and checked."""
    parser.add_argument("--model", default="diorama")
    parser.add_argument("--kinds", default=kinds)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--start", type=int, default=1000, help="first seed; the settings were chosen on 0..999")
    parser.add_argument("--shard", default="0/1", help="this process's share of the pictures, as 0/2 and 1/2")
    parser.add_argument("--log", type=Path, default=log)
    parser.add_argument("--pictures", type=Path, help="a folder for all edits")
    parser.add_argument("--output", type=Path, help="the figures, as JSON, of all that the log holds")
    options = parser.parse_args()
    for kind in options.kinds.split(","):
        if kind not in KINDS:
            parser.error(f"there is no edit kind {kind!r}; the kinds are: {', '.join(KINDS)}")
    return options


def main() -> None:
    """Edits, judges, prints a table, writes figures and a grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--methods", default="prox-npi", help="separated by ';', as all, name or name:parameter=value,…"
    )
    options = with_common_options(parser, "colour,subject,place,style,accessory,pose", Path("runs/edits.jsonl"))
    editor, judge = Editor.from_pretrained(options.model), load_judge()
    share, shards = map(int, options.shard.split("/"))
    numbers = range(options.start + share, options.start + options.count, shards)
    variants = [v for text in options.methods.split(";") for v in (methods() if text == "all" else [text])]
    options.log.parent.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds.split(","):
        edits(editor, judge, variants, kind, numbers, options.log, options.pictures)
    wanted = range(options.start, options.start + options.count)
    rows = [
        row for row in read(options.log)
        if row["model"] == editor.model.fingerprint and row["method"] in variants and row["seed"] in wanted
    ]  # fmt: skip
    kinds = list(KINDS)
    rows.sort(key=lambda row: (variants.index(row["method"]), kinds.index(row["kind"])))
    table = summary(rows)
    for row in table:
        print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v!s:16}" for k, v in row.items()))
    if options.output:
        figures = {"date": str(date.today()), "model": editor.model.fingerprint, "start": options.start}
        figures |= {"command": f'--methods "{options.methods}" --count {options.count}', "rows": table}
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
