"""A method of your own: a class that names an inversion, a control and a guidance."""

import sys
from pathlib import Path

from retouch import Editor
from retouch.diorama import paint, scene_for
from retouch.methods.composition import Composed


class ProximalOnly(
    Composed, inversion="negative-prompt", control="none", guidance="proximal", defaults={"quantile": 0.8}
):
    """Proximal guidance without any attention control: one branch less, a quarter cheaper."""

    name = "proximal-only"
    title = "Proximal guidance alone"
    paper = "after Han et al. 2024"
    good_for = "an example"


folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
picture, _ = paint(scene_for("a red cat sitting on a beach", seed=3))
result = Editor.from_pretrained("diorama").edit(
    picture,
    source="a red cat sitting on a beach",
    target="a green cat sitting on a beach",
    method=ProximalOnly(quantile=0.6),
)
result.save(folder / "green-cat.png", force=True)
print(f"{result.evaluations} network evaluations")
