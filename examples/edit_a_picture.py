"""Paint a picture, edit it with the default method, look at what the method kept."""

import sys
from pathlib import Path

from retouch import Editor
from retouch.diorama import paint, scene_for

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
picture, _ = paint(scene_for("a red cat sitting on a beach", seed=3))

editor = Editor.from_pretrained("diorama")
result = editor.edit(
    picture,
    source="a red cat sitting on a beach",
    target="a blue cat sitting on a beach",
    method="prox-npi",
    quantile=0.7,
)
result.save(folder / "blue-cat.png", force=True)
print(f"{result.seconds:.1f} s, {result.evaluations} network evaluations, recipe: {result.recipe['fingerprint']}")
