"""The documentation agrees with the code."""

import importlib.util
import json
import re
from pathlib import Path

import torch
from PIL import Image

from retouch.measures.batch import Batch
from retouch.measures.registry import every
from retouch.methods.registry import methods
from retouch.suites.registry import options_of, suites

ROOT = Path(__file__).parent.parent


def generator(name):
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_methods_page_is_current():
    page = generator("make_methods").page()
    assert (ROOT / "docs" / "methods.md").read_text() == page, "run: python docs/make_methods.py"


def test_the_composition_page_is_current():
    text = (ROOT / "docs" / "composition.md").read_text()
    assert text == generator("make_methods").with_parts(text), "run: python docs/make_methods.py"


def test_the_tables_of_suites_and_measures_are_current():
    text = (ROOT / "docs" / "benchmarking.md").read_text()
    assert text == generator("make_benchmarking").page(text), "run: python docs/make_benchmarking.py"
    assert all(f"| `{name}` |" in text for name in suites()) and all(name.split(".")[0] in text for name in every())


def test_the_page_on_memory_is_current():
    assert (ROOT / "docs" / "memory.md").read_text() == generator("make_memory").page(), (
        "run: python docs/make_memory.py"
    )


def test_the_page_on_speed_is_current():
    assert (ROOT / "docs" / "speed.md").read_text() == generator("make_speed").page(), "run: python docs/make_speed.py"


def extending(heading):
    """The first Python block under a heading of docs/extending.md, as what it defines."""
    text = (ROOT / "docs" / "extending.md").read_text().split(f"\n## {heading}\n")[1]
    defined = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], defined)
    return defined


def test_the_measure_of_the_page_on_extending_is_one():
    measure = extending("A measure")["BRIGHTNESS"]
    batch = Batch(torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5), None, [None] * 2, ["a cat"] * 2)
    assert measure.take(batch).tolist() == [0.5, 0.5] and measure.better == "zero"


def test_the_suite_of_the_page_on_extending_is_one(tmp_path):
    kind = extending("A suite")["MySuite"]
    rows = [{"id": str(i), "kind": "all", "from": "a cat", "to": "a dog", "picture": "a.png"} for i in range(3)]
    (tmp_path / "edits.json").write_text(json.dumps(rows))
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "a.png")
    suite = kind(tmp_path, most=2)
    assert [entry.target for entry in suite.entries] == ["a dog", "a dog"] and not suite.missing()
    assert suite.case(suite.entries[0]).picture.size == (8, 8) and [one.name for one in options_of(kind)][1] == "most"


def test_files_that_the_page_on_extending_names_are_there():
    named = re.findall(r"`(?:python )?((?:src|tests|docs)/[^`]+)`", (ROOT / "docs" / "extending.md").read_text())
    assert len(named) > 6 and all(
        (ROOT / path.replace("NAME.py", "")).exists() for path in named if "test_NAME" not in path
    )


def test_links_and_pictures_in_the_pages_exist():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "integrations").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)|<img src=\"([^\"]+)\"", page.read_text()):
            path = next(filter(None, target))
            assert path.startswith("http") or (page.parent / path).exists(), f"{page.name} names {path}"


def test_the_readme_names_every_method():
    text = (ROOT / "README.md").read_text()
    assert all(f"`{name}`" in text for name in methods())


def test_the_package_gives_its_public_names_in_any_order():
    import retouch.methods.registry

    assert retouch.list_methods is methods
    assert all(getattr(retouch, name) for name in retouch.__all__)
