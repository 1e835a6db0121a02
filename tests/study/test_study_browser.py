"""A study's pages in a real browser: by keyboard, by touch, after reloads, going back and a lost connection."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from retouch.study.questions import value_of
from retouch.study.sheets import sheet
from tests.browser import barriers, browser, watched  # noqa: F401
from tests.runs.painted import METHODS, small_run
from tests.study.common import served, token_of

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


def test_the_last_answer_is_taken_back_by_key_and_by_button(browser, run):  # noqa: F811
    with served(run, checks=0, per_rater=3) as (study, address):
        with watched(browser, allowed=(address, "data:"), viewport=WIDE) as page:
            begin(page, address)
            page.keyboard.press("Backspace")  # nothing to go back to yet
            assert page.title() == "Question 1 of 3" and page.locator("a.undo").count() == 0
            press(page, "ArrowLeft")
            page.keyboard.press("u")
            again(page, 1)
            assert page.locator("button.chosen").get_attribute("value") == "left"
            press(page, "ArrowRight")  # the other one
            assert kept(study) == expected(study, 1, ["ArrowRight"] * 3)[:1] and study.changes() == 1
            press(page, "1")
            page.keyboard.press("Backspace")
            again(page, 2)
            page.keyboard.press("Escape")  # it stays as it is
            shown(page, 3)
            press(page, "2")
            assert page.get_by_role("heading").inner_text() == "Thank you!"
            page.get_by_role("link", name="Back to my last answer").click()
            again(page, 3)
            page.get_by_role("button", name="Left edit").click()
            page.wait_for_selector("body.words")
            page.go_back()  # going back and forth leaves no trail in the history either
            assert page.get_by_text("You have answered all 3 questions here.").is_visible()
        assert kept(study) == expected(study, 1, ["2", "1", "1"]) and study.changes() == 2


def again(page, position):
    """Waits for an answered question that can be answered anew."""
    page.wait_for_selector(f"header:has-text('Question {position} of'):has(.again) + main form.ready")


def kept(study):
    return [(one.question, one.value) for one in sorted(study.answers(), key=lambda one: one.rater)]


@pytest.mark.parametrize("scripts", [True, False])
def test_the_last_answer_is_taken_back_by_touch_and_without_scripts(browser, run, scripts):  # noqa: F811
    settings = {"viewport": NARROW, "has_touch": True, "is_mobile": True, "java_script_enabled": scripts}
    with (
        served(run, questions="both", per_rater=2, checks=0) as (study, address),
        watched(browser, allowed=(address, "data:"), **settings) as page,
    ):

        def tap(role, name, title):
            if scripts:
                page.wait_for_selector("form.ready, body.words")
            page.get_by_role(role, name=name, exact=True).tap()
            page.wait_for_selector(f"header:has-text('{title}')")
            page.wait_for_load_state()  # with its style sheet

        page.goto(address)
        tap("button", "Begin", "Question 1 of 2")
        tap("button", "Left edit", "Question 2 of 2")
        back = page.get_by_role("link", name="Back to my last answer")
        assert back.bounding_box()["height"] >= 44  # a thumb's
        tap("link", "Back to my last answer", "Question 1 of 2")
        assert page.locator("button.chosen").get_attribute("value") == "left"
        wide, high = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert wide <= 380 and high <= 780
        tap("link", "Keep my answer and go on", "Question 2 of 2")
        tap("link", "Back to my last answer", "Question 1 of 2")
        tap("button", "Right edit", "Question 2 of 2")
        assert kept(study) == expected(study, 1, ["2", "2"])[:1] and study.changes() == 1


@contextmanager
def foreign_site():
    """The address of an empty page that no policy keeps from anything."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b'<link rel="icon" href="data:,"><body>')

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_foreign_page_in_a_raters_browser_adds_nothing(browser, run):  # noqa: F811
    """It can make a form that is sent to the study, with a token that it was given and a rater's own."""
    with served(run, checks=0, per_rater=3) as (study, address), foreign_site() as foreign:
        page = browser.new_page()
        begin(page, address)
        press(page, "ArrowLeft")
        mine, offered = page.url.rpartition("/")[2], token_of(study, 77)
        for path in ("begin", f"r/{mine}", f"r/{mine}/last"):
            page.goto(foreign)  # of the same machine, whose cookies it shares, and of another origin
            with page.expect_navigation():
                page.evaluate(
                    """([action, token]) => {
                        const fields = {token, position: 1, choice: "right"};
                        const form = Object.assign(document.createElement("form"), {method: "post", action});
                        for (const [name, value] of Object.entries(fields))
                            form.append(Object.assign(document.createElement("input"), {name, value}));
                        document.body.append(form);
                        form.submit();
                    }""",
                    [f"{address}{path}", offered],
                )
            assert page.locator("body").inner_text().strip() == "Another page may not ask this."
        assert kept(study) == expected(study, 1, ["ArrowLeft"] * 3)[:1] and study.changes() == 0
        page.goto(f"{address}r/{offered}")
        assert page.get_by_text("belongs to no rater of this study").is_visible()
        page.close()


def test_a_forged_token_begins_nothing_and_a_token_used_twice_begins_one_ballot(browser, run):  # noqa: F811
    with served(run, checks=0, per_rater=2) as (study, address):
        page = browser.new_context().new_page()
        page.goto(address)
        page.evaluate("document.querySelector('input[name=token]').value = 'A'.repeat(44)")
        page.get_by_role("button", name="Begin").click()
        assert page.get_by_role("heading").inner_text() == "This form is not the first page's: begin there."
        page.get_by_role("link", name="To the study").click()
        other = page.context.new_page()
        token = page.locator("input[name=token]").get_attribute("value")
        page.get_by_role("button", name="Begin").click()
        shown(page, 1)
        press(page, "ArrowLeft")
        other.goto(address)  # the first page again in a second window, with the token of the first
        other.evaluate("token => { document.querySelector('input[name=token]').value = token }", token)
        other.get_by_role("button", name="Begin").click()
        shown(other, 2)
        assert other.url == page.url and [one.rater for one in study.answers()] == [1]
        page.context.close()


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(browser, run, viewport):  # noqa: F811
    with (
        served(run, questions="both", per_rater=2, checks=0) as (_, address),
        watched(browser, allowed=(address, "data:"), viewport=viewport) as page,
    ):
        page.goto(address)
        assert barriers(page) == []
        page.get_by_role("button", name="Begin").click()
        page.wait_for_selector("form.ready")
        for key in ("1", "2"):
            assert barriers(page) == []
            press(page, key)
        assert page.get_by_role("heading").inner_text() == "Thank you!" and barriers(page) == []
