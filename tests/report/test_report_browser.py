"""The report's page in a real browser: what a reader does with mouse, touch and keyboard."""

import dataclasses

import pytest

from retouch.diorama.suite import DioramaSuite
from retouch.report import gather, page
from tests import browser as real
from tests.runs.painted import KINDS, METHODS, small_run

RANKED = ("sdedit", "prox-npi", "masactrl")
"""The methods in the page's order: by what the judge says, else in the run's."""

EVIL = 'a <script>document.title = "taken"</script> & <b>bold</b> cat'

browser = real.browser  # the fixture
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one browser at a time


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A page of three methods and six cases; one prompt is markup, one edit failed."""
    folder = tmp_path_factory.mktemp("page")
    suite = DioramaSuite(KINDS, count=2)
    cases = [suite.case(entry) for entry in suite.entries]
    cases[0] = dataclasses.replace(cases[0], entry=dataclasses.replace(cases[0].entry, target=EVIL))
    run = small_run(folder / "run", seeds=(0, 1), cases=cases, failing={(cases[1].entry.id, "sdedit", 0)})
    (folder / "report.html").write_text(page(gather([run])), encoding="utf-8")
    return (folder / "report.html").as_uri()


def opened(page, url):
    page.goto(url)
    page.wait_for_selector("#plot .point")
    return page


def column(page, name):
    return page.locator(f'#leaderboard td[data-column="{name}"]').evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.value))"
    )


def test_headings_sort_the_better_first_by_mouse_and_by_keyboard(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        heading = tab.locator('#leaderboard th[title^="psnr:"]')
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        assert column(tab, "psnr") == sorted(column(tab, "psnr"), reverse=True)
        heading.get_by_role("button").press("Enter")
        assert heading.get_attribute("aria-sort") == "ascending" and column(tab, "psnr") == sorted(column(tab, "psnr"))
        tab.locator('#leaderboard th[title^="mse:"] button').press("Space")
        assert column(tab, "mse") == sorted(column(tab, "mse"))  # lower is better
        tab.get_by_role("button", name="method").first.click()
        names = tab.locator("#leaderboard tbody th").all_inner_texts()
        assert [name.strip(" ◆") for name in names] == sorted(METHODS)


def test_the_breakdown_shows_the_chosen_measure(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        tab.select_option("#kinds-column", "psnr")
        heads = tab.locator("#breakdown thead button").all_inner_texts()
        assert heads == ["method", "all kinds", "accessory", "colour", "place"]
        whole = tab.locator("#breakdown tbody tr td:nth-child(2) .figure").all_inner_texts()
        assert whole == tab.locator('#leaderboard td[data-column="psnr"] .figure').all_inner_texts()
        tab.locator("#breakdown thead button", has_text="place").click()
        values = tab.locator("#breakdown tbody tr td:nth-child(5)").evaluate_all(
            "all => all.map((one) => +one.dataset.value)"
        )
        assert values == sorted(values, reverse=True)


def test_the_axes_of_the_plane_say_what_follows_and_what_keeps(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        title = "axis => document.getElementById('plot').layout[axis].title.text"
        assert tab.evaluate(title, "xaxis").startswith("keeps: ") and tab.evaluate(title, "yaxis").startswith(
            "follows: "
        )
        tab.select_option("#plane-x", "seconds")
        assert tab.evaluate(title, "xaxis").startswith("time")


def test_the_plane_has_a_point_for_each_method_on_the_chosen_axes(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        assert tab.locator("#plot svg .scatterlayer path.point").count() == len(METHODS)
        assert "CLIP score, inside against PSNR, outside (dB)" in tab.get_attribute("#plot", "aria-label")
        tab.select_option("#plane-x", "seconds")
        tab.locator("#plot .xtitle", has_text="time (s)").wait_for()
        left, right = tab.evaluate("document.getElementById('plot').layout.xaxis.range")
        assert left > right  # shorter is better, and better is to the right
        assert sorted(
            tab.evaluate(
                "document.getElementById('plot').data.filter((one) => one.mode !== 'lines').map((one) => one.x[0])"
            )
        ) == sorted(column(tab, "seconds"))
        tab.select_option("#plane-y", "both")
        tab.locator("#plot .ytitle", has_text="asked change there, all else kept (%)").wait_for()
        low, high = tab.evaluate("document.getElementById('plot').layout.yaxis.range")
        assert low < high


def test_labels_of_points_that_lie_close_do_not_cover_each_other(browser, tmp_path):
    methods = [f"a-method-{number}" for number in range(40)]
    place = tmp_path / "report.html"
    gathered = gather([small_run(tmp_path / "run", methods, count=1)])
    ranked = [method.label for method in gathered.methods]
    place.write_text(page(gathered, 0), encoding="utf-8")
    with real.watched(browser) as tab:
        opened(tab, place.as_uri())
        boxes = tab.locator("#plot .textpoint text").evaluate_all(
            "all => all.map((one) => one.getBoundingClientRect()).map((b) => [b.left, b.right, b.top, b.bottom])"
        )
        for number, (left, right, top, bottom) in enumerate(boxes):
            for other in boxes[:number]:
                assert left > other[1] or right < other[0] or top > other[3] or bottom < other[2]
        assert 0 < len(boxes) < len(methods)
        assert tab.locator("#plot .legendtext").all_text_contents() == ranked  # who has no label is found there


def test_the_gallery_leafs_filters_and_searches(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        assert tab.inner_text("#gallery-place") == "1 of 6"
        tab.click("#gallery-next")
        assert tab.inner_text("#gallery-place") == "2 of 6" and tab.input_value("#gallery-case") == "1"
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#gallery-place") == "3 of 6"
        tab.keyboard.press("ArrowLeft")
        assert tab.inner_text("#gallery-place") == "2 of 6"
        tab.select_option("#gallery-kind", "place")
        assert tab.inner_text("#gallery-place") == "1 of 2"
        assert tab.locator("#gallery-tiles figure").count() == len(METHODS)
        assert tab.locator("#gallery-given figure").count() == 3  # input, truth and mask
        assert tab.locator("#gallery-tiles img").first.evaluate("image => image.complete && image.naturalWidth") == 128
        tab.fill("#gallery-search", "nothing like it")
        assert tab.inner_text("#gallery-place") == "none" and "No case fits." in tab.inner_text("#gallery")


def test_a_failed_edit_says_why_and_other_seeds_can_be_seen(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        places = tab.locator("#gallery-case option").all_inner_texts()
        tab.select_option(
            "#gallery-case", str(next(i for i, text in enumerate(places) if text.startswith("place-1000")))
        )
        assert "failed: out of memory" in tab.inner_text("#gallery-tiles")
        tab.select_option("#gallery-seed", "1")
        assert "failed" not in tab.inner_text("#gallery-tiles") and "seed 1" in tab.inner_text("#gallery-tiles")


def test_markup_in_a_prompt_is_text(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        tab.fill("#gallery-search", "script")
        assert EVIL in tab.inner_text("#gallery-prompts")
        tab.locator("#gallery-tiles button").first.click()
        assert tab.inner_text("#slider-title") == EVIL and tab.title() == "table: 3 methods on 6 cases"
        assert tab.locator("main b", has_text="bold").count() == 0


def at(tab):
    """Where the slider stands, per cent of the picture."""
    box, handle = tab.locator("#slider-stage").bounding_box(), tab.locator("#slider .handle").bounding_box()
    return 100 * (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]


def test_the_slider_follows_keyboard_mouse_and_touch(browser, url):
    with real.watched(browser, has_touch=True) as tab:
        opened(tab, url)
        edit = tab.locator("#gallery-tiles button").nth(1)
        edit.focus()
        tab.keyboard.press("Enter")
        assert tab.locator("#slider").evaluate("dialog => dialog.open")
        assert at(tab) == pytest.approx(50, abs=1)
        for _ in range(10):
            tab.keyboard.press("ArrowRight")
        assert at(tab) == pytest.approx(60, abs=1)
        assert tab.get_attribute("#slider-range", "aria-valuetext") == f"60 % input, 40 % {RANKED[1]}"
        tab.keyboard.press("Home")
        assert at(tab) == pytest.approx(0, abs=1)
        box = tab.locator("#slider-stage").bounding_box()
        middle = box["y"] + box["height"] / 2
        tab.mouse.move(box["x"] + 5, middle)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 0.3 * box["width"], middle, steps=3)
        tab.mouse.up()
        tab.mouse.move(box["x"] + 0.9 * box["width"], middle)
        assert at(tab) == pytest.approx(30, abs=1)
        tab.touchscreen.tap(box["x"] + 0.75 * box["width"], middle)
        assert at(tab) == pytest.approx(75, abs=1)
        tab.keyboard.press("Escape")
        assert not tab.locator("#slider").evaluate("dialog => dialog.open")
        assert edit.evaluate("button => button === document.activeElement")


def test_the_slider_lays_any_two_pictures_over_each_other(browser, url):
    with real.watched(browser) as tab:
        opened(tab, url)
        tab.locator("#gallery-tiles button").first.click()
        before = tab.get_attribute("#slider-over", "src")
        choices = tab.locator("#slider-left option").all_inner_texts()
        assert choices == ["input", "truth", *RANKED]
        tab.select_option("#slider-left", label=RANKED[2])
        assert tab.get_attribute("#slider-over", "src") != before
        assert tab.locator("#slider-figures thead th").all_inner_texts() == [RANKED[2], RANKED[0]]
        tab.click("#slider-close")
        assert not tab.locator("#slider").evaluate("dialog => dialog.open")


def brightness(tab, what):
    """Of the background of an element, 0..255."""
    found = tab.locator(what).evaluate("one => getComputedStyle(one).backgroundColor.match(/\\d+/g).slice(0, 3)")
    return sum(map(int, found)) / 3


def test_the_page_is_dark_where_the_reader_wants_it_dark(browser, url):
    with real.watched(browser, color_scheme="dark") as tab:
        opened(tab, url)
        assert brightness(tab, "body") < 60 and brightness(tab, "#results") < 60
        words = tab.locator("#plot .xtitle")
        assert words.evaluate("one => getComputedStyle(one).fill") == "rgb(232, 234, 237)"
        tab.emulate_media(color_scheme="light")
        tab.locator('#plot .xtitle[style*="rgb(29, 33, 38)"]').wait_for()
        assert brightness(tab, "body") > 200


def test_fifteen_methods_fit_a_screen_and_further_columns_unfold(browser, tmp_path):
    methods = [f"a-method-{number}" for number in range(15)]
    place = tmp_path / "report.html"
    place.write_text(page(gather([small_run(tmp_path / "run", methods, count=3)]), 0), encoding="utf-8")
    with real.watched(browser, viewport={"width": 1280, "height": 900}) as tab:
        opened(tab, place.as_uri())
        assert tab.locator("#results .scroll").evaluate("box => box.scrollWidth <= box.clientWidth")
        assert not tab.locator('#leaderboard td[data-column="memory_mib"]').first.is_visible()
        tab.get_by_role("button", name="show all").click()
        assert tab.locator('#leaderboard td[data-column="memory_mib"]').first.is_visible()
        tab.get_by_role("button", name="show the first").press("Enter")
        assert not tab.locator('#leaderboard td[data-column="memory_mib"]').first.is_visible()
        tab.click("#plane-cost")
        assert tab.evaluate("document.getElementById('plot').data[0].name") == "front"
        assert tab.evaluate("document.getElementById('plot').layout.xaxis.title.text").startswith("time")


@pytest.mark.parametrize("width", [380, 800, 1600])
def test_the_page_never_scrolls_sideways(browser, url, width):
    with real.watched(browser, viewport={"width": width, "height": 800}) as tab:
        opened(tab, url)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("#results .scroll").evaluate("box => getComputedStyle(box).overflowX") == "auto"
        tab.locator("#gallery-tiles button").first.click()
        box = tab.locator("#slider").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert tab.locator("#slider").evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("width", [390, 500])
def test_labels_break_at_hyphens_and_stay_in_their_cells(browser, tmp_path, width):
    long, place = "a_label_that_has_no_place_to_break_at", tmp_path / "report.html"
    run = small_run(tmp_path / "run", ["negative-prompt", long], failing={("colour-1000", "negative-prompt", 0)})
    place.write_text(page(gather([run]), 2), encoding="utf-8")
    with real.watched(browser, viewport={"width": width, "height": 800}) as tab:
        opened(tab, place.as_uri())
        tab.locator("#gallery-tiles button").last.click()
        assert tab.evaluate(BROKEN, ["negative-", "prompt", "seed", "run", "input"]) == []
        assert tab.locator(".sortable .name").evaluate_all(
            "all => all.every((one) => one.scrollWidth <= one.clientWidth)"
        )
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("#slider").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_every_field_has_a_name_and_text_can_be_told_from_its_ground(browser, url):
    with real.watched(browser) as tab:
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            opened(tab, url)
            assert tab.evaluate(UNNAMED) == []
            assert tab.evaluate(FAINT) == []


BROKEN = """(words) => [...document.querySelectorAll("table th, table button, table .name")].flatMap((one) =>
    [...one.childNodes].filter((node) => node.nodeType === 3).flatMap((node) => words.filter((word) => {
      const at = node.data.indexOf(word), range = document.createRange();
      if (at < 0) return false;
      range.setStart(node, at);
      range.setEnd(node, at + word.length);
      return range.getClientRects().length > 1;
    })))"""
"""Those of the words that are broken in a table."""

UNNAMED = """() => [...document.querySelectorAll("button, select, input")].filter((field) =>
    !(field.textContent.trim() && field.matches("button")) && !field.getAttribute("aria-label") && !field.labels?.length
).map((field) => field.outerHTML)"""
"""Fields without a label."""

FAINT = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = numbers(colour).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("header *, main :not(#plot, #plot *)")].filter((one) =>
    [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && one.checkVisibility()
  ).filter((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((p, q) => q - p);
    return (a + 0.05) / (b + 0.05) < 4.5;
  }).map((one) => one.outerHTML.slice(0, 100));
}"""
"""Words whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(browser, url, width):
    with real.watched(browser, viewport={"width": width, "height": 800}) as tab:
        opened(tab, url)
        assert real.barriers(tab) == []
        for fold in tab.locator("summary:visible").all():
            fold.click()
        assert real.barriers(tab) == []
