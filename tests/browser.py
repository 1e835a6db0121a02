"""A real browser for tests of pages: a test file takes the fixture ``browser``, and opens pages with ``watched``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that is already on the machine; none is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("no browser: none of " + ", ".join(_PROGRAMS) + " is installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield launched
        launched.close()


@contextmanager
def watched(
    browser, allowed: tuple[str, ...] = ("file:", "data:", "blob:"), tolerated: tuple[str, ...] = (), **context
) -> Iterator:
    """A page that, when it is closed, fails the test for any console error or any request to elsewhere.

    Args:
        allowed: how the addresses of allowed requests begin.
        tolerated: what console errors that a test provokes say.
        context: of the browser's, as ``viewport``, ``color_scheme``, ``has_touch``.
    """
    wrong: list[str] = []
    opened = browser.new_context(**context)
    page = opened.new_page()
    page.set_default_timeout(20_000)  # ms: two slow cores may be shared with other tests
    page.on(
        "console",
        lambda message: (
            wrong.append(f"console: {message.text}")
            if message.type == "error" and not any(words in message.text for words in tolerated)
            else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith(allowed) else wrong.append(f"request: {asked.url}"))
    try:
        yield page
        assert wrong == []
    finally:
        opened.close()


def barriers(page) -> list[tuple[str, list[str]]]:
    """What axe finds on a page that keeps people out (serious or critical), each with the elements it is about."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in serious]
