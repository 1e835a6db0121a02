"""A study's pages in a real browser: by keyboard, by touch, after reloads, going back and a lost connection."""

import pytest

from retouch.study.questions import value_of
from retouch.study.sheets import sheet
from tests.browser import browser, watched  # noqa: F401
from tests.runs.painted import METHODS, small_run
from tests.study.common import served

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 380, "height": 780}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study in a browser")]


@pytest.fixture
def run(tmp_path):
    return small_run(tmp_path / "run", kinds=("colour", "place"), measured=False)


def begin(page, address):
    page.goto(address)
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("form.ready")


def shown(page, position):
    """Waits for a question that can be answered, or for the thanks."""
    page.wait_for_selector(f"header:has-text('Question {position} of') + main form.ready, body.words")


def press(page, key):
    """Answers the question that is shown, and waits for what comes next."""
    position = int(page.title().split()[1])
    page.keyboard.press(key)
    shown(page, position + 1)


def expected(study, rater, pressed):
    """What the answers of one rater must be who pressed these keys."""
    sides = {"ArrowLeft": "left", "1": "left", "ArrowRight": "right", "2": "right"}
    found = []
    for item, key in zip(sheet(study.questions, study.settings, rater), pressed, strict=True):
        question = study.questions[item.question]
        found.append((question, value_of(question, item.swapped, sides[key] if question.kind == "preference" else key)))
    return found


def test_a_whole_study_by_keyboard_is_stored_as_it_was_pressed(browser, run):  # noqa: F811
    asked, seen = [], []
    keys = ["ArrowLeft", "ArrowRight", "2", "1", "ArrowRight", "5", "1", "3", "2"]
    with served(run, questions="both", per_rater=8, checks=1) as (study, address):
        with watched(browser, allowed=(address, "data:"), viewport=WIDE) as page:
            page.on("request", lambda request: asked.append(request.url))
            begin(page, address)
            for position, key in enumerate(keys, start=1):
                assert page.title() == f"Question {position} of 9"
                seen.append(page.content())
                if position in (3, 7):  # reloading loses nothing and sends nothing again
                    page.reload()
                    page.wait_for_selector("form.ready")
                    assert page.title() == f"Question {position} of 9" and len(study.answers()) == position - 1
                if position == 4:
                    page.keyboard.press("x")
                    page.keyboard.press("Control+ArrowLeft")
                    page.keyboard.press("9")
                    assert len(study.answers()) == 3
                press(page, key)
            assert page.get_by_role("heading").inner_text() == "Thank you!"
            page.go_back()  # questions leave no trail in the history
            assert page.get_by_text("You have answered all 9 questions here.").is_visible()
            page.go_forward()
            assert page.get_by_role("heading").inner_text() == "Thank you!"
        assert [(one.question, one.value) for one in study.answers()] == expected(study, 1, keys)
    for words in (*seen, *asked):
        assert not any(method in words for method in METHODS) and "colour-1000" not in words


def test_a_key_that_bounces_or_is_held_answers_one_question(browser, run):  # noqa: F811
    with served(run, checks=0) as (study, address), watched(browser, allowed=(address, "data:")) as page:
        begin(page, address)
        for _ in range(2):
            page.keyboard.down("ArrowLeft")  # the second is a repeat, as of a key that is held
        shown(page, 2)
        page.keyboard.down("ArrowLeft")
        page.wait_for_timeout(300)
        assert len(study.answers()) == 1
        page.keyboard.up("ArrowLeft")
        press(page, "ArrowLeft")
        assert len(study.answers()) == 2


def test_an_answer_that_could_not_be_sent_is_sent_again(browser, run):  # noqa: F811
    with served(run, checks=0) as (study, address):
        page = browser.new_page()
        begin(page, address)
        page.route("**/r/*", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
        page.keyboard.press("ArrowRight")
        page.get_by_text("The answer could not be sent. Choose once more").wait_for()
        assert study.answers() == [] and page.title() == "Question 1 of 12"
        page.unroute("**/r/*")
        press(page, "ArrowRight")
        assert [(one.question, one.value) for one in study.answers()] == expected(study, 1, ["ArrowRight"] * 12)[:1]
        page.close()


def test_nobody_judges_before_the_pictures_are_there(browser, run):  # noqa: F811
    with served(run, checks=0) as (study, address):
        page = browser.new_page()
        page.route("**/picture/*", lambda route: route.abort())
        page.goto(address)
        page.get_by_role("button", name="Begin").click()
        page.get_by_text("A picture could not be loaded. Reload the page to try again.").wait_for()
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(300)
        assert study.answers() == []
        page.unroute("**/picture/*")
        page.reload()
        page.wait_for_selector("form.ready")
        press(page, "ArrowLeft")
        assert len(study.answers()) == 1
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser, run, scheme):  # noqa: F811
    settings = {"viewport": NARROW, "has_touch": True, "is_mobile": True, "color_scheme": scheme}
    with (
        served(run, questions="both", per_rater=3, checks=0) as (study, address),
        watched(browser, allowed=(address, "data:"), **settings) as page,
    ):

        def look():
            page.wait_for_load_state()
            wide, high = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            red, green, blue = page.evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
            )
            assert (wide, high) <= (380, 780) and red == green == blue and (red < 60) == (scheme == "dark")

        page.goto(address)
        look()
        page.get_by_role("button", name="Begin").tap()
        for position in range(1, 4):
            shown(page, position)
            look()
            edges = page.evaluate("[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().right)")
            assert max(edges) <= 380
            page.get_by_role("button").last.tap()
            shown(page, position + 1)
        look()
        assert [(one.question, one.value) for one in study.answers()] == expected(study, 1, ["2", "2", "5"])


def test_the_pages_work_without_scripts(browser, run):  # noqa: F811
    with served(run, checks=0, per_rater=2) as (study, address):
        with watched(browser, allowed=(address, "data:"), java_script_enabled=False) as page:
            page.goto(address)
            page.get_by_role("button", name="Begin").click()
            for name in ("Left edit", "Right edit"):
                with page.expect_navigation():
                    page.get_by_role("button", name=name).click()
            assert page.get_by_role("heading").inner_text() == "Thank you!"
        assert [(one.question, one.value) for one in study.answers()] == expected(study, 1, ["1", "2"])


def test_an_answer_from_a_page_that_was_left_behind_changes_nothing(browser, run):  # noqa: F811
    with served(run, checks=0, per_rater=3) as (study, address):
        with watched(browser, allowed=(address, "data:"), java_script_enabled=False) as page:
            page.goto(address)
            with page.expect_navigation():
                page.get_by_role("button", name="Begin").click()
            other = page.context.new_page()  # the same link in a second window
            other.goto(page.url)
            for window, name in ((page, "Left edit"), (other, "Right edit")):
                with window.expect_navigation():
                    window.get_by_role("button", name=name).click()
            assert other.title() == page.title() == "Question 2 of 3"
        assert [(one.question, one.value) for one in study.answers()] == expected(study, 1, ["1", "1", "1"])[:1]
