"""The same edit by every method that needs no fit, in one row."""

import sys
from pathlib import Path

from retouch import Editor, list_methods
from retouch.diorama import paint, scene_for
from retouch.parts.inversions import Inversions
from retouch.picture import side_by_side, write_picture

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
source, target = "an orange horse sitting in a meadow", "an orange cat sitting in a meadow"
picture, _ = paint(scene_for(source, seed=15))

editor = Editor.from_pretrained("diorama")
row, kept = [picture], Inversions()  # methods with as many steps share the inversion
for name, method in list_methods().items():
    if method.optimises:
        continue
    result = editor.edit(picture, source=source, target=target, method=name, seed=1, inversions=kept)
    print(f"{name:18} {result.seconds:5.1f} s {result.evaluations:4} evaluations")
    row.append(result.image)
write_picture(side_by_side(row), folder / "every-method.png", force=True)
