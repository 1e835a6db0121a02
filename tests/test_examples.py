"""Every example runs and writes the pictures it promises."""

import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path)])
    runpy.run_path(str(example), run_name="__main__")
    assert "evaluations" in capsys.readouterr().out
    pictures = list(tmp_path.glob("*.png"))
    assert pictures and all(Image.open(path).size[1] == 128 for path in pictures)
