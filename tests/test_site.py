"""The site of `make docs`: it builds strictly, every link leads somewhere, and nothing is loaded from elsewhere."""

import json
import os
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser import browser, watched  # noqa: F401

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]  # one process builds the site, once

ROOT = Path(__file__).parent.parent
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "use": "href"}
STATED = ("canonical", "next", "prev")  # links that a browser does not follow by itself


def build(folder, out):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", out],
        cwd=folder, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *told):
        pass


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.ids |= {has.get("id"), has.get("name")}
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if has.get(LOADING.get(tag)) and has.get("rel") not in STATED:
            self.loads.append(has[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "site"
    built = build(ROOT, out)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_of_the_site_leads_somewhere(site, pages):
    dead, followed = [], 0
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of wherever the site is served
            continue
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            followed += 1
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            ok = to.is_file() and (not parts.fragment or to not in pages or unquote(parts.fragment) in pages[to].ids)
            if not ok and parts.fragment != "__skip":
                dead.append(f"{path.relative_to(site)}: {link}")
    assert not dead and followed > 1000


def test_nothing_on_the_site_is_loaded_from_elsewhere(pages):
    assert not [link for page in pages.values() for link in page.loads if urlsplit(link).netloc]


def test_the_site_has_every_page_and_every_public_name(site, pages):
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= {
        path.stem for path in (site / "docs").glob("*.html")
    }
    ids = set().union(*(page.ids for page in pages.values()))
    assert {"retouch.editor.Editor.edit", "retouch.result.EditResult.save", "retouch.fit.fitted.Fit.load"} <= ids
    assert {"retouch.errors.RetouchError", "retouch.methods.registry.methods"} <= ids
    words = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    assert any(one["location"].endswith("#retouch.editor.Editor.edit") for one in words), "the search does not find it"


@pytest.fixture(scope="module")
def address(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_a_desk_and_a_telephone_and_show_their_pictures(address, browser, width):  # noqa: F811
    with watched(browser, (address, "data:"), viewport={"width": width, "height": 800}) as page:
        for name in ("index.html", "docs/reference/editor.html", "docs/tutorial.html", "docs/keeping.html"):
            page.goto(address + name)
            page.get_by_role("heading", level=1).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
            broken = "[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)"
            assert page.evaluate(broken) == []


def test_the_search_finds_a_public_name_with_nothing_but_the_site(address, browser):  # noqa: F811
    with watched(browser, (address, "data:", "blob:"), viewport={"width": 1280, "height": 800}) as page:
        page.goto(address)
        page.get_by_role("textbox", name="Search").fill("edit_many")
        page.locator(".md-search-result__link", has_text="edit_many").first.click(timeout=120_000)  # the index is read
        page.wait_for_url("**/reference/editor.html**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_links_are_seen_by_everybody(address, browser, scheme):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    rules = {"runOnly": ["color-contrast", "link-in-text-block", "image-alt", "heading-order", "document-title"]}
    with watched(browser, (address, "data:"), viewport={"width": 1280, "height": 800}, color_scheme=scheme) as page:
        for name in ("docs/studio.html", "docs/reference/results.html"):
            page.goto(address + name)
            page.get_by_role("heading", level=1).wait_for()
            found = axe.Axe().run(page, options=rules).response["violations"]
            assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


@pytest.fixture
def small(tmp_path):
    """A repository with one page, which links out of docs/; it has the hook of ours."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "one.py").write_text("print('here')\n")
    (tmp_path / "README.md").write_text("# Front\n\n[a page](docs/page.md)\n")
    (tmp_path / "card.md").write_text("# Card\n\n[back](README.md#front)\n")
    hook = ROOT / "docs" / "hooks" / "repository.py"
    (tmp_path / "mkdocs.yml").write_text(
        f"site_name: small\nuse_directory_urls: false\nhooks: [{hook}]\n"
        "validation: {links: {not_found: warn, anchors: warn, unrecognized_links: warn}}\n"
    )
    return tmp_path


def test_what_pages_link_to_outside_of_docs_is_part_of_the_site(small):
    (small / "docs" / "page.md").write_text("# Page\n\n[card](../card.md), [programs](../examples)\n")
    built = build(small, "out")
    assert built.returncode == 0, built.stderr
    made = {path.relative_to(small / "out").as_posix() for path in (small / "out").rglob("*.html")}
    assert {"index.html", "docs/page.html", "card.html", "examples.html", "examples/one.html"} <= made
    assert "here" in (small / "out" / "examples" / "one.html").read_text()


@pytest.mark.parametrize(
    "link", ["../gone.md", "gone.md", "../card.md#gone", "gone.png", "../examples/gone.py", "#gone"]
)
def test_a_dead_link_fails_the_build(small, link):
    (small / "docs" / "page.md").write_text(f"# Page\n\n[there]({link})\n")
    built = build(small, "out")
    assert built.returncode == 1 and link in built.stdout + built.stderr
