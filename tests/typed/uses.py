"""What a program that uses Retouch is told of its types; read by mypy in tests/test_typed.py, never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from PIL import Image

from retouch import Editor, EditResult, Fit, RetouchError, __version__, list_methods
from retouch.explore.clip_score import ClipScorer
from retouch.explore.compare import Comparison, compare
from retouch.explore.sweep import Sweep, run_sweep
from retouch.methods.method import Method
from retouch.pipelines import RetouchPipeline

assert_type(__version__, str)
editor = Editor.from_pretrained("diorama", device="cpu", lora="style.safetensors:0.8")
assert_type(editor, Editor)

result = editor.edit(
    Path("cat.png"), source="a red cat", target="a blue cat", mask=Image.new("L", (8, 8)), quantile=0.7
)
assert_type(result, EditResult)
assert_type(result.image, Image.Image)
assert_type(result.reconstruction, Image.Image | None)
assert_type(result.recipe, dict[str, Any])
assert_type(result.seconds, float)
assert_type(result.notes, tuple[str, ...])
result.save("blue.png", force=True)

assert_type(editor.edit_many([{"image": "cat.png"}], batch=2), list[EditResult | RetouchError])
assert_type(editor.candidates("cat.png", 2, source="a", target="b"), list[EditResult])
assert_type(editor.mask("cat.png", word="cat"), Image.Image)
assert_type(list_methods(), Mapping[str, type[Method]])

fit = editor.fit("cat.png", target="a jumping cat")
assert_type(fit, Fit)
assert_type(Fit.load("cat.safetensors"), Fit)
assert_type(editor.variations("cat.png", fit, etas=[0.6]), list[EditResult])

assert_type(compare(editor, "cat.png", source="a", target="b", methods=["ddim"], scorer=ClipScorer()), Comparison)
assert_type(run_sweep(editor, "cat.png", fit, etas=[0.6], seeds=[0]), Sweep)
assert_type(RetouchPipeline.from_pretrained("diorama").fit("a", "cat.png"), Fit)

try:
    editor.edit("cat.png", target="b", seed=1)
except RetouchError as error:
    assert_type(error, RetouchError)

# each of these is an error, which its comment takes away: were it none, strict mypy would call the comment unused
editor.edit("cat.png", target=3)  # type: ignore[arg-type]
editor.edit(target="b")  # type: ignore[call-arg]
Editor.from_pretrained("diorama", devise="cpu")  # type: ignore[call-arg]
assert result.picture  # type: ignore[attr-defined]
fit.losses["network"] = 0.1  # type: ignore[index]
