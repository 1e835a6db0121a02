"""Results show themselves in a notebook, and the tutorial runs."""

import copy
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from retouch import notebook
from retouch.editor import Editor
from retouch.explore.compare import compare
from retouch.explore.sweep import run_sweep
from tests.browser import browser, watched  # noqa: F401
from tests.live import tiny_pipe
from tests.small import quick_fit

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"
PICTURE = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
ODD = "a cat <script>alert('“1”')</script> & \"more\""


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    return Editor(tiny_pipe(tmp_path_factory.mktemp("pipe")))


@pytest.fixture(scope="module")
def result(editor):
    return editor.edit(PICTURE, source="a cat on a mat", target=ODD, method="ddim", num_inference_steps=2)


@pytest.fixture(scope="module")
def fit(editor):
    return editor.fit(PICTURE, target=ODD, **quick_fit("imagic"))


def loads_nothing(html):
    """Whether all that a page names is in it."""
    return not re.search(r"""(?:src|href)=["'](?!data:)|url\(|@import|https?://""", html)


def test_a_result_shows_before_and_after_with_its_recipe(result):
    html = result._repr_html_()
    assert html.count("data:image/png;base64,") == 2 and 'type="range"' in html and loads_nothing(html)
    assert "<details>" in html and "num_inference_steps" in html
    assert result.before.tobytes() == PICTURE.tobytes()


def test_what_a_prompt_says_is_text_in_every_page(result, fit, editor):
    sheet = compare(editor, PICTURE, source="a cat", target=ODD, methods=["ddim"], settings={"num_inference_steps": 2})
    sweep = run_sweep(editor, PICTURE, fit, etas=[0.5], seeds=[0], settings={"num_inference_steps": 2})
    for one in (result, fit, sheet, sweep):
        html = one._repr_html_()
        assert "<script" not in html and "&lt;script&gt;" in html and loads_nothing(html), type(one)


def test_notes_are_listed_as_text(result):
    html = replace(result, notes=("1 < 2 & so on",))._repr_html_()
    assert "<li>1 &lt; 2 &amp; so on</li>" in html


def test_without_html_a_result_is_its_picture(result):
    assert result._repr_png_().startswith(b"\x89PNG")


def test_a_pickled_result_leaves_the_input_out_and_still_shows_itself(result):
    bare = replace(result, _model=None, _outcome=None, _fitted=None)
    again = pickle.loads(pickle.dumps(bare))
    assert again.before is None and again.image.tobytes() == result.image.tobytes() and again == bare
    assert again._repr_html_().count("data:image") == 1 and copy.copy(bare).recipe == bare.recipe


def test_large_pictures_are_shown_small():
    large = Image.effect_noise((3000, 1500), 90).convert("RGB")
    assert notebook.shown(large).size == (notebook.SIDE, notebook.SIDE // 2)
    assert "data:image/jpeg" in notebook.picture(large, "x")


def test_a_fit_says_how_it_went(fit):
    html = fit._repr_html_()
    assert "imagic" in html and all(stage in html for stage in fit.steps) and "recipe" in html


@pytest.mark.slow
def test_two_sliders_on_one_page_move_apart(browser, result, tmp_path):  # noqa: F811
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<!doctype html><meta charset=utf-8>{result._repr_html_() * 2}", encoding="utf-8")
    with watched(browser) as page:
        page.goto(page_file.as_uri())
        first = page.locator("input[type=range]").first
        first.focus()
        for _ in range(20):
            first.press("ArrowRight")
        at = page.evaluate(
            "[...document.querySelectorAll('input[type=range]')].map(one => "
            "one.parentNode.style.getPropertyValue('--retouch-at'))"
        )
        assert at == ["60%", "50%"]
        boxes = [page.locator("img").nth(i).bounding_box() for i in (0, 1)]
        assert boxes[0] == boxes[1] and boxes[0]["width"] >= 256


def test_the_tutorial_is_kept_without_outputs():
    cells = json.loads(TUTORIAL.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    client = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    book = nbformat.read(TUTORIAL, as_version=4)
    client.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [out for cell in book.cells for out in cell.get("outputs", []) if "text/html" in out.get("data", {})]
    assert sum('type="range"' in out["data"]["text/html"] for out in shown) >= 4
    assert not [out for cell in book.cells for out in cell.get("outputs", []) if out.output_type == "error"]
