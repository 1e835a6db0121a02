"""Fits the model to a picture once, then samples edits of several strengths and seeds from the fit."""

import sys
from pathlib import Path

from retouch import Editor
from retouch.diorama import paint, scene_for
from retouch.explore.clip_score import ClipScorer

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
picture, _ = paint(scene_for("a red cat sitting on a beach", seed=3))
target = "a red cat jumping on a beach"

editor = Editor.from_pretrained("diorama")
fit = editor.fit(picture, target=target, embedding_steps=20, network_steps=20)  # short, for an example
fit.save(folder / "cat.safetensors", force=True)

scorer = ClipScorer()
results = editor.variations(picture, fit, seeds=[0, 1], etas=[0.6, 0.8])
best = max(results, key=lambda result: scorer.score(result.image, target))
best.save(folder / "jumping.png", force=True)
eta, seed = best.recipe["parameters"]["eta"], best.recipe["seed"]
print(f"jumping.png: eta {eta}, seed {seed}, {best.evaluations} network evaluations on top of the fit's")
