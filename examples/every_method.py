"""The same edit by every method, in one row."""

import sys
from pathlib import Path

from retouch import Editor, list_methods
from retouch.diorama import paint, scene_for
from retouch.picture import side_by_side, write_picture

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
source, target = "a yellow dog standing in a meadow", "a yellow dog standing in the snow"
picture, _ = paint(scene_for(source, seed=11))

editor = Editor.from_pretrained("diorama")
row = [picture]
for name in list_methods():
    result = editor.edit(picture, source=source, target=target, method=name, seed=1)
    print(f"{name:18} {result.seconds:5.1f} s {result.evaluations:4} evaluations")
    row.append(result.image)
write_picture(side_by_side(row), folder / "every-method.png", force=True)
