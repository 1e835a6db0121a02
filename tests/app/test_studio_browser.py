"""The studio in a real browser: the whole journey, cancelling, wrong files, visitors, reloads, phones, keyboards."""

import importlib.util
import io
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from retouch.picture import recipe_from_bytes
from tests.app.common import saved, until
from tests.browser import barriers, browser, watched  # noqa: F401

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 780}
SOURCE, TARGET = "a photo of a red cat sitting on a beach", "a photo of a blue cat sitting on a beach"
REFUSED = ("Failed to load resource",)  # what a browser says of a refusal
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("studio in a browser"),
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="gradio is not installed"),
]


@pytest.fixture(scope="module")
def address():
    """A studio that is running."""
    command = [sys.executable, "-c", "from retouch.cli import main; main()", "app", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        said = running.stdout.readline().strip()
        assert said.startswith("http://127.0.0.1:"), said
        yield said
        running.terminate()
        assert running.wait(20) == 0  # it ends by itself, and its model with it


@contextmanager
def opened(browser, address, viewport=WIDE, **more):  # noqa: F811
    with watched(browser, allowed=(address, "data:", "blob:"), viewport=viewport, **more) as page:
        page.goto(address)
        page.wait_for_function("window.studio && window.studio.state()")
        yield page


def state(page):
    return page.evaluate("fetch('/studio/state').then(answer => answer.json())")


def eventually(page, condition, seconds=60):
    """Waits until the visit's state makes an expression of ``s`` true."""
    page.wait_for_function(
        f"(() => {{ const s = window.studio.state(); return {condition}; }})()", timeout=1000 * seconds
    )


def words(page, name):
    return page.locator(f"#s-{name} textarea")


def painted(page, target=TARGET):
    page.get_by_role("button", name="Paint it").click()
    page.wait_for_function("document.querySelector('#s-source textarea').value.startsWith('a photo of a red cat')")
    words(page, "target").fill(target)


def edited(page, count=1):
    """Presses the button and waits for the edit."""
    page.get_by_role("button", name="Edit", exact=True).click()
    eventually(page, f"s.jobs.length === 0 && s.pictures.filter(one => one.edit).length === {count}")
    page.wait_for_selector("[data-at=result]:visible")


def slow(page, steps=300):
    """A method that takes long."""
    page.locator("[data-method]").select_option("ddim")
    page.locator(".s-settings summary").click()
    page.get_by_label("num inference steps").fill(str(steps))


def said(page):
    return page.locator("[data-at=alarm]").inner_text() + page.locator(".s-view [data-at=said]").inner_text()


def test_a_whole_journey_from_a_scene_to_a_file_and_back(browser, address, tmp_path):  # noqa: F811
    with opened(browser, address) as page:
        painted(page)
        changes = page.locator("#s-difference")
        changes.get_by_text("red becomes blue").wait_for()
        page.get_by_label("a thing in words").fill("cat")
        page.get_by_role("button", name="Mark it").click()
        eventually(page, "s.mask > 0")
        page.get_by_role("button", name="Edit", exact=True).click()
        page.wait_for_selector("[data-at=preview]:visible")  # it is seen while it comes about
        eventually(page, "s.jobs.length === 0 && s.pictures.length === 2")
        page.wait_for_selector("[data-at=result]:visible")
        assert "of the pixels untouched" in page.locator("[data-at=about]").inner_text()

        after, slider = page.locator("[data-at=after]"), page.get_by_label("before and after")
        slider.fill("30")
        assert after.evaluate("one => one.style.clipPath").replace("0px", "0") == "inset(0 0 0 30%)"
        page.get_by_label("outline what changed").check()
        page.wait_for_selector("[data-at=outline]:visible")
        if picture := os.environ.get("STUDIO_PICTURE"):  # what the docs show: STUDIO_PICTURE=docs/pictures/studio.png
            page.locator("[data-at=about]").wait_for()
            page.screenshot(path=picture, full_page=True)
            Image.open(picture).convert("P", palette=Image.Palette.ADAPTIVE).save(picture, optimize=True)
        blink = page.get_by_role("button", name="Blink")
        blink.click()
        page.wait_for_function("document.querySelector('[data-at=after]').style.visibility === 'hidden'")
        page.wait_for_function("document.querySelector('[data-at=after]').style.visibility === ''")
        blink.click()

        with page.expect_download() as download:
            page.get_by_role("link", name="Download PNG").click()
        download.value.save_as(tmp_path / "blue.png")
        recipe = recipe_from_bytes((tmp_path / "blue.png").read_bytes(), "it")
        assert recipe["target"] == TARGET and Image.open(tmp_path / "blue.png").size == (128, 128)

        page.get_by_role("button", name="Go on from this one", exact=True).click()
        eventually(page, "s.current === s.shown")
        page.wait_for_function(f"document.querySelector('#s-source textarea').value === {TARGET!r}")
        words(page, "target").fill("something else")
        page.set_input_files("[data-at=open]", tmp_path / "blue.png")
        page.wait_for_function(f"document.querySelector('#s-target textarea').value === {TARGET!r}")
        assert page.locator("[data-method]").input_value() == recipe["method"]
        page.reload()
        page.wait_for_function(f"document.querySelector('#s-target textarea')?.value === {TARGET!r}")
        assert len(state(page)["pictures"]) == 3


def test_cancelling_ends_an_edit_within_a_step_and_the_next_is_made(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        painted(page)
        slow(page)
        page.get_by_role("button", name="Edit", exact=True).click()
        eventually(page, "s.jobs.length && s.jobs[0].done > 20")
        page.get_by_role("button", name="Cancel").click()
        eventually(page, "s.jobs.length === 0", seconds=30)
        assert len(state(page)["pictures"]) == 1 and not page.locator("[data-at=work]").is_visible()
        page.locator("[data-method]").select_option("auto")
        edited(page)


def test_a_grid_makes_every_combination_and_words_weigh_by_sliders(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        painted(page)
        page.locator("[data-weigh=blue]").fill("1.5")
        page.wait_for_function("document.querySelector('#s-target textarea').value.includes('(blue:1.5)')")
        words(page, "target").fill("a photo of a {blue|green} cat sitting on a beach")
        page.locator("[data-method]").select_option("sdedit")
        page.get_by_role("button", name="Grid: many edits at once").click()
        page.get_by_label("Seeds", exact=True).fill("1-2")
        page.get_by_role("button", name="Make the grid").click()
        eventually(page, "s.jobs.length === 0 && s.pictures.length === 5")
        tree = page.locator(".s-history")
        assert tree.get_by_text("green cat sitting on a beach, seed 2").is_visible()
        tree.get_by_role("button", name=re.compile("^a photo of a blue cat sitting on a beach, seed 1")).click()
        eventually(page, "s.shown === 2")
        sheet = page.get_by_role("group", name="All edits that were asked for together")
        assert sheet.get_by_role("button").count() == 4
        sheet.get_by_role("button").last.click()
        eventually(page, "s.shown === 5")


def test_a_mask_is_painted_erased_kept_saved_and_loaded(browser, address, tmp_path):  # noqa: F811
    def marked():
        """The share of the mask that is white."""
        sent = page.evaluate("fetch('/studio/mask').then(a => a.arrayBuffer()).then(b => [...new Uint8Array(b)])")
        return float((np.asarray(Image.open(io.BytesIO(bytes(sent))).convert("L")) > 127).mean())

    with opened(browser, address, tolerated=REFUSED) as page:
        painted(page)
        page.evaluate("scrollTo(0, 0)")  # writing scrolled to the words
        box = page.locator("canvas[data-at=mask]").bounding_box()

        def stroke(height):
            page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + height * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + height * box["height"], steps=4)
            page.mouse.up()

        stroke(0.3), stroke(0.6)
        until(lambda: state(page)["mask"] and marked() > 0.1)
        both = marked()
        page.get_by_label("eraser").check()
        stroke(0.6)
        until(lambda: marked() < 0.7 * both)
        one = marked()
        assert one > 0.05
        words(page, "target").fill("a photo of a green cat sitting on a beach")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the mask").click()
        download.value.save_as(tmp_path / "mask.png")
        page.get_by_role("button", name="Clear the mask").click()
        eventually(page, "s.mask === 0")
        page.set_input_files("[data-at=load]", tmp_path / "mask.png")
        eventually(page, "s.mask > 0")
        assert marked() == pytest.approx(one, abs=0.01)
        page.get_by_label("click on a thing").check()
        page.evaluate("scrollTo(0, 0)")
        masks = state(page)["mask"]
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.62 * box["height"])
        eventually(page, f"s.jobs.length === 0 && s.mask > {masks}")
        assert marked() > one


def test_parts_pictures_beside_and_a_region_in_numbers_act_on_the_edit_and_come_back(browser, address, tmp_path):  # noqa: F811
    Image.new("RGB", (64, 64), "green").save(tmp_path / "green.png")
    with opened(browser, address) as page:
        painted(page)
        page.locator("[data-method]").select_option("layer-diffusion")
        page.set_input_files("[data-beside=reference]", tmp_path / "green.png")
        page.locator("[data-there=reference]", has_text="there").wait_for()
        page.get_by_role("button", name="Remove the reference").click()
        page.locator("[data-there=reference]", has_text="none").wait_for()
        page.get_by_label("a thing in words").fill("cat")
        page.get_by_role("button", name="Mark it").click()
        eventually(page, "s.mask > 0")
        page.get_by_role("button", name="Take the mask").click()
        eventually(page, "s.mask === 0 && s.beside.includes('foreground')")
        page.locator("[data-method]").select_option("masactrl")
        page.locator("[data-of=masactrl] summary").click()
        page.locator("[data-there=foreground]", has_text="there").wait_for()
        page.get_by_label("num inference steps").fill("6")
        page.locator("[data-parts-of=masactrl] summary").click()
        page.locator("[data-part=guidance]").select_option("proximal")
        page.get_by_label("quantile").wait_for(state="attached")
        assert page.get_by_label("num inference steps").input_value() == "6"  # the method's own settings stay
        page.get_by_role("button", name="More").click()
        page.get_by_label("Edit only around this thing").fill("20,20,110,120")
        edited(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download PNG").click()
        download.value.save_as(tmp_path / "edit.png")
        recipe = recipe_from_bytes((tmp_path / "edit.png").read_bytes(), "it")
        assert recipe["foreground"] and recipe["region"] == [20, 20, 110, 120]
        assert recipe["parts"]["guidance"] == "proximal" and recipe["parameters"]["num_inference_steps"] == 6
        page.locator("[data-method]").select_option("ddim")
        page.wait_for_selector("[data-parts-of=ddim]")
        page.set_input_files("[data-at=open]", tmp_path / "edit.png")
        page.wait_for_function(
            "document.querySelector('[data-parts-of=masactrl] [data-part=guidance]')?.value === 'proximal'"
        )
        page.wait_for_selector(".s-view [data-at=said]:has-text('it was made with a foreground')")


def files(tmp_path):
    """Files of every kind, each with what is said of it."""
    small = Image.new("RGB", (40, 30), "red")
    bomb = saved(small, "BMP")
    bomb = bomb[:18] + (20_000).to_bytes(4, "little") * 2 + bomb[26:]
    kinds = {
        "text.png": (b"this is text", "not a picture"),
        "empty.png": (b"", "empty"),
        "cut.png": (saved(Image.effect_noise((90, 90), 50))[:900], "damaged or cut off"),
        "huge.bmp": (bomb, "24 million pixels"),
        "frames.gif": (
            saved(small, "GIF", save_all=True, append_images=[Image.new("RGB", (40, 30))]),
            "first of its frames",
        ),
        "deep.png": (saved(Image.new("I;16", (40, 30), 40_000)), "8 bits"),
        "cmyk.jpg": (saved(small.convert("CMYK"), "JPEG"), "CMYK"),
        "clear.png": (saved(Image.new("RGBA", (40, 30), (255, 0, 0, 9))), "transparent"),
    }
    for name, (data, words_) in kinds.items():
        (tmp_path / name).write_bytes(data)
        yield tmp_path / name, words_


def test_files_of_every_kind_are_understood_or_refused_in_a_sentence(browser, address, tmp_path):  # noqa: F811
    with opened(browser, address, tolerated=REFUSED) as page:
        for path, sentence in files(tmp_path):
            page.set_input_files("[data-at=open]", path)
            page.wait_for_function(
                "words => [...document.querySelectorAll('.s-view [data-at=said], [data-at=alarm]')]"
                ".some(one => one.textContent.includes(words))", arg=sentence,
            )  # fmt: skip
        assert len(state(page)["pictures"]) == 4
        eventually(page, "s.jobs.length === 0")


def test_odd_prompts_and_ten_clicks_in_a_second(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        painted(page, "x" * 10_000)
        page.get_by_role("button", name="Edit", exact=True).click()
        page.wait_for_selector("[data-at=alarm]:has-text('10000 letters')")
        words(page, "target").fill("")
        page.get_by_role("button", name="Edit", exact=True).click()
        page.wait_for_selector("[data-at=alarm]:has-text('is empty')")
        words(page, "target").fill("🐈 قطة زرقاء a blue cat")
        page.locator("[data-method]").select_option("sdedit")
        page.wait_for_selector(".s-settings")
        button = page.get_by_role("button", name="Edit", exact=True)
        for _ in range(10):
            button.click()
        eventually(page, "s.jobs.length === 0 && s.pictures.length >= 2")
        made = [one["label"] for one in state(page)["pictures"] if one["edit"]]
        assert set(made) == {"🐈 قطة زرقاء a blue cat"} and len(made) <= 2  # one, and one pressed after it was done


def test_two_visitors_at_once_share_the_line_and_nothing_else(browser, address):  # noqa: F811
    with opened(browser, address) as one, opened(browser, address) as other:
        painted(one)
        painted(other, "a photo of a green cat sitting on a beach")
        slow(one, 30)
        one.get_by_role("button", name="Edit", exact=True).click()
        eventually(one, "s.jobs.length && s.jobs[0].state === 'running'")
        other.get_by_role("button", name="Edit", exact=True).click()
        other.wait_for_selector("[data-at=progress]:has-text('1 ahead, begins in about')")
        assert "blue" not in str(state(other)) and "green" not in str(state(one))
        eventually(one, "s.jobs.length === 0 && s.pictures.length === 2")
        eventually(other, "s.jobs.length === 0 && s.pictures.length === 2")
        for page in (one, other):  # numbers are the same, pictures are not
            page.wait_for_selector("[data-at=result]:visible")
        seen = [page.evaluate("fetch('/studio/picture/2').then(a => a.arrayBuffer()).then(b => [...new Uint8Array(b)])")
                for page in (one, other)]  # fmt: skip
        recipes = [recipe_from_bytes(bytes(data), "it")["target"] for data in seen]
        assert recipes == [TARGET, "a photo of a green cat sitting on a beach"]


def test_reloading_and_a_second_tab_lose_nothing(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        painted(page)
        slow(page, 40)
        page.get_by_role("button", name="Edit", exact=True).click()
        eventually(page, "s.jobs.length && s.jobs[0].done > 5")
        page.reload()
        page.wait_for_selector("[data-at=progress]:has-text('step')")
        tab = page.context.new_page()
        tab.goto(address)
        for shown in (page, tab):
            shown.wait_for_function("window.studio && window.studio.state()")
            eventually(shown, "s.jobs.length === 0 && s.pictures.length === 2")
            shown.wait_for_function(f"document.querySelector('#s-target textarea').value === {TARGET!r}")
            assert shown.locator("[data-method]").input_value() == "ddim"


def test_a_phone_shows_everything_without_scrolling_sideways(browser, address):  # noqa: F811
    with opened(browser, address, PHONE, has_touch=True, is_mobile=True) as page:
        painted(page)
        page.locator("[data-method]").select_option("sdedit")
        edited(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for name in ("Edit", "Blink", "Mark it"):
            assert page.get_by_role("button", name=name, exact=True).is_visible()
        page.get_by_role("button", name="Blink").tap()
        page.wait_for_selector("[data-at=which]:has-text('before')")


def focus(page, name, most=80):
    """Goes on by the tab key until the control of that name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        label = page.evaluate(
            "(() => { const at = document.activeElement; return (at.getAttribute('aria-label') || "
            "(at.labels && at.labels[0] && at.labels[0].textContent) || at.textContent || '').trim(); })()"
        )
        if label.startswith(name):
            return
    raise AssertionError(f"the tab key never comes to {name!r}")


def test_everything_is_reached_by_the_keyboard_alone(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        focus(page, "Paint it")
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#s-source textarea').value.startsWith('a photo')")
        page.locator("body").evaluate("() => document.activeElement.blur()")
        focus(page, "Mask: paint")
        for key in ("ArrowDown", "Space", "Shift+ArrowLeft", "Space"):
            page.keyboard.press(key)
        eventually(page, "s.mask > 0")
        focus(page, "What it should show")
        page.keyboard.type(TARGET)
        focus(page, "Method")
        page.keyboard.type("sdedit")
        page.wait_for_selector(".s-settings")
        focus(page, "Edit")
        page.keyboard.press("Enter")
        eventually(page, "s.jobs.length === 0 && s.pictures.length === 2")
        page.wait_for_selector("[data-at=result]:visible")
        focus(page, "before and after")
        page.keyboard.press("ArrowRight")
        assert page.get_by_label("before and after").input_value() == "51"
        focus(page, "Blink")
        page.keyboard.press("Space")
        page.wait_for_selector("[data-at=which]:has-text('before')")
        focus(page, "Go on from this one")
        page.keyboard.press("Enter")
        eventually(page, "s.current === 2")


@pytest.mark.parametrize(
    "how", [{"viewport": WIDE}, {"viewport": PHONE, "has_touch": True, "is_mobile": True}], ids=["desk", "phone"]
)
def test_axe_finds_nothing_serious(browser, address, how):  # noqa: F811
    with opened(browser, address, **how) as page:
        assert barriers(page) == []
        painted(page)
        page.locator("[data-method]").select_option("masactrl")
        page.locator("[data-of=masactrl] summary").click()
        page.locator("[data-parts-of=masactrl] summary").click()
        edited(page)
        for name in ("Grid: many edits at once", "Fit once, sample often", "More"):
            page.get_by_role("button", name=name).click()
        page.get_by_label("Seeds", exact=True).wait_for()
        assert barriers(page) == []


def test_the_page_answers_while_it_works(browser, address):  # noqa: F811
    with opened(browser, address) as page:
        painted(page)
        slow(page, 60)
        page.get_by_role("button", name="Edit", exact=True).click()
        eventually(page, "s.jobs.length && s.jobs[0].state === 'running'")
        words(page, "target").fill("a photo of a green cat")
        page.locator("#s-difference").get_by_text("red becomes green").wait_for()
        assert state(page)["jobs"], "it answered only when the work was done"
        page.get_by_role("button", name="Cancel").click()
        eventually(page, "s.jobs.length === 0")


def test_a_forged_request_reaches_nothing(address):
    import httpx

    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        asked = httpx.post(f"{address}gradio_api/run/predict", json={"data": [], "fn_index": 0}, headers=headers)
        assert asked.status_code in (403, 421)
    for path in ("gradio_api/file=/etc/passwd", "gradio_api/upload", "file=/etc/passwd"):
        assert httpx.get(address + path).status_code == 404
