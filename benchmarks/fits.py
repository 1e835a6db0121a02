"""How well the methods that fit to a picture edit: the best of four seeds by CLIP score, looked at by the judge.

As edits.py, on the same held-out pairs, but every fit is sampled from four seeds in one batch and the sample with the
highest CLIP score is judged, as the papers select. Variants that differ in sampling alone share a fit. Every edit is a
line of the log; run again after an interruption, the command goes on where it was.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

from edits import looked_at, outside_psnr, read, summary, variant, with_common_options

from retouch.diorama.judge import load_judge
from retouch.diorama.pairs import edit_pair
from retouch.editor import Editor
from retouch.explore.clip_score import ClipScorer
from retouch.methods.registry import method_type
from retouch.parameters import read_settings
from retouch.sheet import contact_sheet, labelled

SEEDS = (0, 1, 2, 3)


def fitted(editor, pair, name, settings, kept):
    """The fit for these settings; ``kept`` holds those of this pair that other variants needed."""
    key = (name, json.dumps(settings, sort_keys=True))
    if key not in kept:
        began = time.perf_counter()
        kept[key] = editor.fit(pair.picture, target=pair.target_prompt, method=name, **settings)
        kept[key, "seconds"] = time.perf_counter() - began
    return kept[key], kept[key, "seconds"]


def main() -> None:
    """Fits, samples, judges, prints a table, writes figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--methods", default="imagic;layer-diffusion;layer-diffusion:iterative_guidance=false",
        help="separated by ';', as name or name:parameter=value,…",
    )  # fmt: skip
    options = with_common_options(parser, "pose,subject and place,accessory", Path("runs/fits.jsonl"))
    editor, judge, scorer = Editor.from_pretrained(options.model), load_judge(), ClipScorer()
    share, shards = map(int, options.shard.split("/"))
    variants, kinds = options.methods.split(";"), options.kinds.split(",")
    options.log.parent.mkdir(parents=True, exist_ok=True)
    model = editor.model.fingerprint
    known = {(row["method"], row["kind"], row["seed"]) for row in read(options.log) if row["model"] == model}
    for number in range(options.start + share, options.start + options.count, shards):
        for kind in kinds:
            pair, kept = edit_pair(kind, number), {}
            for text in variants:
                if (text, kind, number) in known:
                    continue
                name, given = variant(text)
                settings = read_settings(method_type(name), given, name)
                sampling = {key: settings.pop(key) for key in list(settings) if key in method_type(name).sampling}
                fit, fit_seconds = fitted(editor, pair, name, settings, kept)
                began = time.perf_counter()
                results = editor.variations(pair.picture, fit, seeds=SEEDS, **sampling)
                scores = [scorer.score(result.image, pair.target_prompt) for result in results]
                best = results[scores.index(max(scores))].image
                asked, others = looked_at(pair, best, judge)
                each = [looked_at(pair, result.image, judge) for result in results]
                row = {
                    "method": text, "kind": kind, "seed": number, "model": model, "asked": asked, "kept": others,
                    "outside_psnr": outside_psnr(pair, best), "clip_score": max(scores),
                    "asked_of_all": sum(one[0] for one in each) / len(each),
                    "kept_of_all": sum(one[1] for one in each) / len(each),
                    "both_of_all": sum(one[0] and one[1] == 1 for one in each) / len(each),
                    "fit_seconds": fit_seconds, "seconds": time.perf_counter() - began, "steps": dict(fit.steps),
                }  # fmt: skip
                with options.log.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"{text:44} {kind:18} {number} asked {asked:d} kept {others:.2f}", flush=True)
                if options.pictures:
                    options.pictures.mkdir(parents=True, exist_ok=True)
                    tiles = [
                        labelled(pair.picture, pair.source_prompt, 128),
                        labelled(pair.truth, pair.target_prompt, 128),
                    ]
                    tiles += [labelled(r.image, f"CLIP {s:.1f}", 128) for r, s in zip(results, scores, strict=True)]
                    contact_sheet([tiles]).save(options.pictures / f"{kind} {number} {text.replace(':', ' ')}.png")
    wanted = range(options.start, options.start + options.count)
    rows = [
        row
        for row in read(options.log)
        if row["model"] == model and (row["method"] in variants and row["kind"] in kinds and row["seed"] in wanted)
    ]
    rows.sort(key=lambda row: (variants.index(row["method"]), kinds.index(row["kind"])))
    table = summary(rows)
    for row in table:
        mine = [r for r in rows if (r["method"], r["kind"]) == (row["method"], row["kind"])]
        row["asked_of_all"] = sum(r["asked_of_all"] for r in mine) / len(mine)
        row["kept_of_all"] = sum(r["kept_of_all"] for r in mine) / len(mine)
        row["both_of_all"] = sum(r["both_of_all"] for r in mine) / len(mine)
        row["clip_score"] = sum(r["clip_score"] for r in mine) / len(mine)
        print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v!s:16}" for k, v in row.items()))
    if options.output:
        command = f'--methods "{options.methods}" --count {options.count}'
        figures = {"date": str(date.today()), "model": model, "start": options.start, "command": command, "rows": table}
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
