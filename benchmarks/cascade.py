"""Imagic on the embedded pixel cascade beside Imagic on the embedded latent model: held-out painted pairs, judged.

From one fit a pair, four samples, two seeds at two η; the one with the highest CLIP score counts. One line of results a
case; what is there already is not made again.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median

from retouch.diorama.judge import Judge, load_judge
from retouch.diorama.pairs import EditPair, asked_and_kept, edit_pair
from retouch.editor import Editor, EditResult
from retouch.explore.clip_score import ClipScorer
from retouch.explore.preservation import psnr

KINDS = ("colour", "accessory", "subject", "pose", "place", "style")
MODELS = ("diorama-pixels", "diorama")
SAMPLES = tuple((eta, seed) for eta in (0.85, 1.0) for seed in (0, 1))
START = 2004
JUDGED = ("subject", "colour", "pose", "place", "accessory", "style")


def verdicts(judge: Judge, pair: EditPair, result: EditResult) -> list[bool]:
    """Whether what was asked is there, and whether the rest is."""
    (seen,) = judge.look([result.image])
    return [
        all(seen[name] == (getattr(pair.target, name) or "none") for name in names if name in JUDGED)
        for names in asked_and_kept(pair)
    ]


def measured(editor: Editor, judge: Judge, scorer: ClipScorer, kind: str, seed: int) -> dict:
    """One pair: its fit, its four samples, and the best of them."""
    pair, began = edit_pair(kind, seed), time.process_time()
    fit = editor.fit(pair.picture, source=pair.source_prompt, target=pair.target_prompt, method="imagic")
    fitting = time.process_time() - began
    results = [editor.edit(pair.picture, fit=fit, method="imagic", eta=eta, seed=noise) for eta, noise in SAMPLES]
    scores = [scorer.score(result.image, pair.target_prompt) for result in results]
    best = scores.index(max(scores))
    asked, kept = verdicts(judge, pair, results[best])
    return {
        "kind": kind, "seed": seed, "eta": SAMPLES[best][0], "asked": asked, "kept": kept,
        "clip": round(scores[best], 2), "any": any(all(verdicts(judge, pair, result)) for result in results),
        "psnr": round(psnr(pair.picture, results[best].drawn), 2), "fit_seconds": round(fitting, 1),
        "seconds": round(time.process_time() - began, 1),
    }  # fmt: skip


def table(rows: list[dict]) -> str:
    """By model and kind: how often the best of four shows what was asked, and the rest."""
    lines = [
        "| model | kind | pairs | asked | kept | asked and kept | one of the four | PSNR | fit, CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        for kind in (*KINDS, "all"):
            some = [row for row in rows if row["model"] == model and kind in (row["kind"], "all")]
            if some:
                shares = [mean(row[name] for row in some) for name in ("asked", "kept")]
                shares += [mean(row["asked"] and row["kept"] for row in some), mean(row["any"] for row in some)]
                rest = f"{median(row['psnr'] for row in some):.1f} | {median(row['fit_seconds'] for row in some):.0f}"
                lines.append(
                    f"| `{model}` | {kind} | {len(some)} | "
                    + " | ".join(f"{100 * share:.0f} %" for share in shares)
                    + f" | {rest} |"
                )
    return "\n".join(lines)


def main() -> None:
    """Measures what is missing, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="pairs of each kind")
    parser.add_argument("--start", type=int, default=START, help="the first pair's seed")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--output", type=Path, default=Path("runs/cascade.jsonl"))
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.exists() else []
    there = {(row["model"], row["kind"], row["seed"]) for row in rows}
    judge, scorer = load_judge(), ClipScorer()
    for model in options.models:
        editor = Editor.from_pretrained(model)
        for seed in range(options.start, options.start + options.count):
            for kind in KINDS:
                if (model, kind, seed) not in there:
                    rows.append({"model": model, **measured(editor, judge, scorer, kind, seed)})
                    with options.output.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
