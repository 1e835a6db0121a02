"""Parts of different systems put together: a null-text inversion under MasaCtrl, and ProxNPI with guiders."""

import sys
from pathlib import Path

from retouch import Editor
from retouch.diorama import paint, scene_for
from retouch.parts.inversions import Inversions

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
source = "a red cat sitting on a beach"
picture, _ = paint(scene_for(source, seed=3))

editor, kept = Editor.from_pretrained("diorama"), Inversions()
for name, target, parts, settings in (
    ("standing", "a red cat standing on a beach", {"method": "masactrl", "inversion": "null-text"}, {"inner_steps": 2}),
    ("blue", "a blue cat sitting on a beach", {"method": "prox-npi", "guidance": "proximal+guiders"}, {}),
):
    result = editor.edit(picture, source=source, target=target, inversions=kept, **parts, **settings)
    result.save(folder / f"{name}.png", force=True)
    print(f"{result.recipe['parts']}: {result.evaluations} evaluations, {result.seconds:.1f} s")
print(f"{kept.shared} evaluations saved by sharing the inversion")
