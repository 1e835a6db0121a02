"""The guard and the studio's addresses: who is let in, how much is read, and whose pictures are whose."""

import asyncio

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette

from retouch.app import pictures
from retouch.app.guard import guarded
from retouch.app.routes import LARGE, routes
from retouch.guard import hosts_of
from tests.app.common import FORM, Told, desk, png, saved, settled

COOKIE, HERE = "studio-7860", "http://127.0.0.1:7860"


class Studio:
    """The studio's addresses without a page."""

    def __init__(self):
        self.told = Told()
        self.desk = desk(self.told)
        app = Starlette(routes=routes(self.desk, COOKIE))
        self.app = guarded(app, hosts_of("127.0.0.1", 7860, ["studio.example"]), LARGE)

    def ask(self, method, path, visit=None, headers=None, base=HERE, **more):
        async def asked():
            cookies = {COOKIE: visit.token} if visit else {}
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies) as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(asked())


@pytest.fixture
def studio():
    made = Studio()
    yield made
    made.desk.close()


@pytest.fixture
def visit(studio):
    begun = studio.desk.visits.begin()
    studio.desk.bring(begun, png(), "cat.png")
    studio.desk.edit(begun, FORM)
    settled(studio.desk, begun)
    return begun


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST:7860", "studio.example"])
def test_the_studio_answers_under_its_own_names(studio, visit, host):
    assert studio.ask("GET", "/studio/state", visit, {"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:7860.evil.example", ""])
def test_another_host_is_refused_so_that_no_name_can_be_bound_anew(studio, visit, host):
    assert studio.ask("GET", "/studio/state", visit, {"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
     {"sec-fetch-site": "same-site"}, {"origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_another_page_may_ask_for_nothing_to_be_done(studio, visit, headers):
    asked = studio.ask("POST", "/studio/do", visit, headers, json={"what": "cancel"})
    assert asked.status_code == 403


def test_its_own_page_may(studio, visit):
    headers = {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert studio.ask("POST", "/studio/do", visit, headers, json={"what": "cancel"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://x/", "/file=/etc/passwd",
     "/gradio_api/vibe-edit/", "/monitoring", "/studio/../etc", "/gradio_api/component_server", "/docs",
     "/openapi.json", "/static/..%2f..%2fetc/passwd", "/login"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_not_there(studio, visit, path):
    for method in ("GET", "POST"):
        assert studio.ask(method, path, visit).status_code == 404


def test_only_reading_and_sending_is_understood(studio, visit):
    assert studio.ask("DELETE", "/studio/picture/1", visit).status_code == 405


def test_what_is_too_large_is_refused_before_it_is_read_and_while_it_is(studio, visit):
    huge = {"content-length": str(LARGE["/studio/bring"] + 1)}
    assert studio.ask("POST", "/studio/bring", visit, huge, content=b"x").status_code == 413

    async def endless():
        for _ in range(40):
            yield b"x" * 2**20

    assert studio.ask("POST", "/studio/bring", visit, content=endless()).status_code == 413
    assert studio.ask("POST", "/studio/do", visit, content=b"x" * (2**20 + 1)).status_code == 413


def test_ones_pictures_are_shown_to_oneself_alone(studio, visit):
    other = studio.desk.visits.begin()
    for path in ("/studio/picture/1", "/studio/picture/2.png", "/studio/thumb/2", "/studio/outline/2"):
        mine = studio.ask("GET", path, visit)
        assert mine.status_code == 200 and mine.headers["content-type"].startswith("image/")
        assert studio.ask("GET", path, other).status_code == 400
        assert studio.ask("GET", path).status_code == 410
    for what in ("go on", "look at", "restore"):
        assert studio.ask("POST", "/studio/do", other, json={"what": what, "number": 1}).status_code == 400


def test_a_job_is_cancelled_by_its_own_visitor_alone(studio, visit):
    studio.told.free.clear()
    studio.told.seen.clear()
    studio.desk.edit(visit, {**FORM, "target": "a green square"})
    assert studio.told.seen.wait(5)
    number, other = visit.jobs[-1].number, studio.desk.visits.begin()
    shown = studio.ask("GET", f"/studio/preview/{number}/1", visit)
    assert shown.status_code == 200 and shown.content == b"a picture"
    assert studio.ask("GET", f"/studio/preview/{number}/1", other).status_code == 204
    studio.ask("POST", "/studio/do", other, json={"what": "cancel", "number": number})
    assert not visit.jobs[-1].cancelled.is_set()
    studio.ask("POST", "/studio/do", visit, json={"what": "cancel", "number": number})
    settled(studio.desk, visit)
    assert visit.jobs[-1].state == "cancelled"


def test_a_saved_picture_has_a_name_made_of_plain_letters(studio, visit):
    visit.nodes[2].label = 'a "blue"/../\r\nsquare; 猫'
    asked = studio.ask("GET", "/studio/picture/2.png", visit)
    assert asked.headers["content-disposition"] == 'attachment; filename="a-blue-square-2.png"'


def bmp(width, height):
    """The head of a picture that claims a size, and nothing else."""
    whole = saved(Image.new("RGB", (1, 1)), "BMP")
    return whole[:18] + width.to_bytes(4, "little") + height.to_bytes(4, "little") + whole[26:]


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "empty"),
        (b"this is text", "not a picture"),
        (png()[:60], "damaged|not a picture"),
        (bmp(20_000, 20_000), "24 million pixels"),
        (bmp(8_000, 8_000), "8000 x 8000"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a picture"),
    ],
)
def test_a_file_that_is_no_picture_is_a_sentence_and_changes_nothing(studio, visit, data, sentence):
    before = visit.current
    asked = studio.ask("POST", "/studio/bring?name=cat.png", visit, content=data)
    assert asked.status_code == 400 and visit.current == before
    assert any(part in asked.json()["error"] for part in sentence.split("|")), asked.json()


@pytest.mark.parametrize(
    "data, note",
    [
        (
            saved(Image.new("RGB", (9, 7)), "GIF", save_all=True, append_images=[Image.new("RGB", (9, 7), "red")]),
            "frames",
        ),
        (saved(Image.new("I;16", (9, 7), 40_000)), "8 bits"),
        (saved(Image.new("CMYK", (9, 7)), "JPEG"), "CMYK"),
        (saved(Image.new("RGBA", (9, 7), (255, 0, 0, 9))), "transparent"),
    ],
)
def test_an_odd_picture_is_understood_and_what_was_done_to_it_is_said(studio, data, note):
    visit = studio.desk.visits.begin()
    assert studio.ask("POST", "/studio/bring?name=odd", visit, content=data).status_code == 200
    assert visit.nodes[1].size == (9, 7) and any(note in said for said in visit.said)


def test_pixels_are_counted_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "from_bytes", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Exception, match="24 million"):
        pictures.opened(bmp(20_000, 20_000), "huge.bmp")


def test_pictures_beside_come_and_go(studio, visit):
    for name, status in (("foreground", 200), ("reference", 200), ("mask", 400), ("", 400)):
        place = f"/studio/beside?what={name}"
        assert studio.ask("POST", place, visit, content=png((4, 4), "white")).status_code == status
    assert studio.ask("POST", "/studio/beside?what=reference", visit, content=b"no picture").status_code == 400
    assert sorted(visit.beside) == ["foreground", "reference"]
    assert studio.ask("POST", "/studio/beside?what=foreground", visit, content=b"").status_code == 200
    assert studio.ask("POST", "/studio/do", visit, json={"what": "mask is subject"}).status_code == 400
    assert list(visit.beside) == ["reference"]


def test_a_mask_comes_and_goes(studio, visit):
    assert studio.ask("GET", "/studio/mask", visit).status_code == 400
    assert studio.ask("POST", "/studio/mask", visit, content=png((4, 4), "white")).status_code == 200
    assert studio.ask("GET", "/studio/mask", visit).headers["content-type"] == "image/png"
    assert studio.ask("POST", "/studio/mask", visit, content=b"no picture").status_code == 400 and visit.mask
    assert studio.ask("POST", "/studio/mask", visit, content=b"").status_code == 200 and not visit.mask


@pytest.mark.parametrize(
    "sent",
    ["", "[]", "3", '{"what": 3}', '{"what": "go on"}', '{"what": "go on", "number": "1"}',
     '{"what": "mark", "word": 3}', '{"what": "mark", "points": {}}', "[" * 3000],
)  # fmt: skip
def test_what_no_button_sends_is_refused_in_a_sentence(studio, visit, sent):
    asked = studio.ask("POST", "/studio/do", visit, content=sent.encode())
    assert asked.status_code == 400 and asked.json()["error"]


@pytest.mark.parametrize("name", ["studio.js", "studio.css", "easel.js", "view.js"])
def test_the_pages_own_files_are_served_and_no_others(studio, name):
    assert studio.ask("GET", f"/studio/file/{name}").status_code == 200
    for wrong in ("easel.html", "..", "%2e%2e%2fguard.py", "guard.py"):
        assert studio.ask("GET", f"/studio/file/{wrong}").status_code == 404
