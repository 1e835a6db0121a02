"""The documentation agrees with the code."""

import importlib.util
import re
from pathlib import Path

from retouch.methods.registry import methods

ROOT = Path(__file__).parent.parent


def test_the_methods_page_is_current():
    spec = importlib.util.spec_from_file_location("make_methods", ROOT / "docs" / "make_methods.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "methods.md").read_text() == module.page(), "run: python docs/make_methods.py"


def test_the_composition_page_is_current():
    spec = importlib.util.spec_from_file_location("make_methods", ROOT / "docs" / "make_methods.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "composition.md").read_text()
    assert text == module.with_parts(text), "run: python docs/make_methods.py"


def test_links_and_pictures_in_the_pages_exist():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
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
