"""A study's pages: blind, safe under kills and crowds, and nothing else can be had from them."""

import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from retouch.study.album import Album
from retouch.study.questions import pictures, value_of
from retouch.study.server import application
from retouch.study.sheets import sheet
from retouch.study.store import Study
from retouch.study.tokens import signed
from tests.runs.painted import METHODS, small_run
from tests.study.common import plain_cases, served, token_of


def host_of(address):
    return httpx.URL(address).netloc.decode()


def offered(client):
    """The token in the welcome's form."""
    return re.search(r'name="token" value="([^"]+)"', client.get("").text).group(1)


@contextmanager
def started(*arguments):
    """The server as a user starts it, and its address."""
    command = [sys.executable, "-c", "from retouch.cli import main; main()", "study", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_an_acknowledged_answer_survives_a_kill(run):
    with started(run.folder, "--port", 0, "--checks", 0) as (process, address):
        with httpx.Client(base_url=address) as client:
            token = offered(client)
            assert client.post("begin", data={"token": token}).status_code == 303
            assert client.post(f"r/{token}", data={"position": 1, "choice": "right"}).status_code == 303
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with served(run) as (study, address):
        (answer,) = study.answers()
        swapped = sheet(study.questions, study.settings, 1)[0].swapped
        assert answer.value == value_of(answer.question, swapped, "right")
        assert "Question 2 of 18" in httpx.get(f"{address}r/{token}").text


def test_ctrl_c_ends_the_server_and_keeps_the_answers(run):
    with started(run.folder, "--port", 0) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address) and httpx.get(address).status_code == 200
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0 and "Traceback" not in said
        assert said.endswith("study.sqlite holds 0 answers; see them with --results.\n")


def test_twenty_raters_at_once_lose_and_double_nothing(run):
    pressed = {}

    def rate(rater):
        token, choose = token_of(study, rater), random.Random(rater)
        with httpx.Client(base_url=address) as client:
            client.post("begin", data={"token": token})
            for position in range(1, 9):
                page = client.get(f"r/{token}").text
                assert f"Question {position} of 8" in page
                choice = choose.choice(("left", "right"))
                other = {"left": "right", "right": "left"}[choice]
                for sent in (choice, other)[: 2 if position % 2 else 1]:  # each other one twice, the second otherwise
                    assert client.post(f"r/{token}", data={"position": position, "choice": sent}).status_code == 303
                pressed[rater, position] = choice
            assert "Thank you" in client.get(f"r/{token}").text

    with served(run, compare="prox-npi", per_rater=6, checks=2) as (study, address):
        with ThreadPoolExecutor(20) as raters:
            list(raters.map(rate, range(20)))
        answers = study.answers()
        assert len(answers) == 20 * 8 and len(study.finished()) == 20
        counts = Counter((one.question.case, one.question.second) for one in answers if not one.question.check)
        assert set(counts.values()) == {10} and len(counts) == 12
        stored = {(one.rater, one.question): one.value for one in answers}
        for rater in range(20):
            number = study.join(token_of(study, rater))
            for position, item in enumerate(sheet(study.questions, study.settings, number), start=1):
                question = study.questions[item.question]
                assert stored[number, question] == value_of(question, item.swapped, pressed[rater, position])


def test_nothing_on_a_page_says_which_method_made_an_edit(run):
    with served(run, questions="both", per_rater=36) as (study, address), httpx.Client(base_url=address) as client:
        token = offered(client)
        begun = client.post("begin", data={"token": token})
        seen, names, pixels = b"", set(), set()
        while (standing := study.standing(token)).items:
            page = client.get(f"r/{token}")
            seen += page.content + str(page.headers).encode()
            names |= set(re.findall(r"picture/(\w+)", page.text))
            choice = "left" if 'value="left"' in page.text else "3"
            client.post(f"r/{token}", data={"position": standing.position, "choice": choice})
        assert begun.headers["location"] == f"r/{token}" and len(names) >= 6 + 18
        for name in names:
            picture = client.get(f"picture/{name}")
            assert picture.headers["content-type"] == "image/png"
            opened = Image.open(io.BytesIO(picture.content))
            assert opened.info == {}  # the files themselves carry their recipe
            pixels.add(opened.tobytes())
            seen += picture.content + str(picture.headers).encode()
        for word in (*METHODS, *(run.manifest.methods), "colour-1000", str(run.folder)):
            assert word.encode() not in seen
        assert {run.edit(record).tobytes() for record in run.records()} <= pixels


def _same(client, name, image):
    return Image.open(io.BytesIO(client.get(f"picture/{name}").content)).tobytes() == image.tobytes()


def test_both_sides_are_those_of_the_sheet(run):
    with served(run, checks=0, per_rater=4) as (study, address), httpx.Client(base_url=address) as client:
        client.post("begin", data={"token": token_of(study, 1)})
        for position, item in enumerate(sheet(study.questions, study.settings, 1), start=1):
            question = study.questions[item.question]
            page = client.get(f"r/{token_of(study, 1)}").text
            names = re.findall(r'<img src="\.\./picture/(\w+)"', page)  # the input, left, right
            by_method = {record.method: run.edit(record) for record in run.records() if record.case == question.case}
            shown = [question.second, question.first] if item.swapped else [question.first, question.second]
            assert [_same(client, name, by_method[method]) for name, method in zip(names[1:], shown)] == [True, True]
            assert _same(client, names[0], run.case(question.case).picture)
            client.post(f"r/{token_of(study, 1)}", data={"position": position, "choice": "left"})


def test_pictures_are_kept_in_memory_up_to_so_many_bytes(run, monkeypatch):
    with Study.opened(run, {}) as study:
        album = Album(run, study)
        shown = dict.fromkeys(one for question in study.questions for one in pictures(question))
        names = [album.name(one) for one in shown][:4]
        first, *others = [album.png(name) for name in names]
        monkeypatch.setattr("retouch.study.album._KEPT", sum(map(len, others)))
        read, drawn_anew = album._drawn, []
        monkeypatch.setattr(album, "_drawn", lambda name: drawn_anew.append(name) or read(name))
        assert album.png(names[-1]) == others[-1] and drawn_anew == []
        assert album.png(names[0]) == first and drawn_anew == names[:1]  # the oldest had to go
        assert sum(map(len, album._kept.values())) <= sum(map(len, others))


@pytest.mark.parametrize(
    "path", ["picture/../run.json", "picture/%2e%2e%2frun.json", "picture/" + "0" * 32, "run.json", "study.sqlite", "x"]
)
def test_nothing_but_pictures_of_the_study_can_be_had(run, path):
    with served(run) as (_, address), socket.create_connection((name := host_of(address)).split(":")) as raw:
        raw.sendall(f"GET /{path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(100_000).startswith(b"HTTP/1.1 404 ")


def test_bad_input_is_one_sentence_and_changes_nothing(run):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        token = token_of(study, 1)
        for bad in ("", "short", "x" * 23, "../../etc/passwd/.....", "<script>alert(1)</scri"):
            assert client.post("begin", data={"token": bad}).status_code == 403
        client.post("begin", data={"token": token})
        for data in (
            {}, {"position": "1"}, {"choice": "left"}, {"position": "one", "choice": "left"},
            {"position": "-1", "choice": "left"}, {"position": "1", "choice": "<b>"},
            {"position": "2", "choice": "left"}, {"position": "9" * 30, "choice": "left"},
            {"position": "1", "choice": "left" * 1000},
        ):  # fmt: skip
            refused = client.post(f"r/{token}", data=data)
            assert refused.status_code == 400 and re.fullmatch(r"[^\n<]+\.\n", refused.text), data
        assert client.post(f"r/{token}", content=b"\xff\x00").status_code == 400
        assert client.post(f"r/{token_of(study, 2)}", data={"position": "1", "choice": "left"}).status_code == 404
        lost = client.get(f"r/{token_of(study, 2)}", headers={"accept": "text/html"})
        assert lost.status_code == 404 and "belongs to no rater" in lost.text and 'href="../"' in lost.text
        assert study.answers() == []


def test_a_full_disk_is_said_and_the_study_goes_on_when_there_is_room(run, capsys):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        (pages,) = study._connection.execute("PRAGMA page_count").fetchone()
        study._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says what it says of a full disk
        replies = [client.post("begin", data={"token": token_of(study, rater)}) for rater in range(40)]
        refused = [rater for rater, reply in enumerate(replies) if reply.status_code != 303]
        assert refused and replies[refused[0]].status_code == 503
        assert replies[refused[0]].text == "The study cannot go on just now; whoever runs it can see why.\n"
        assert "could not be used (database or disk is full)" in capsys.readouterr().err
        study._connection.execute(f"PRAGMA max_page_count = {10 * pages}")
        assert client.post("begin", data={"token": token_of(study, refused[0])}).status_code == 303
        assert study.standing(token_of(study, refused[0])).total == 18 + 5


def test_words_of_the_run_are_escaped(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(2), measured=False)
    with served(run) as (study, address), httpx.Client(base_url=address, follow_redirects=True) as client:
        page = client.post("begin", data={"token": token_of(study, 1)})
        assert "a &lt;b&gt;bold&lt;/b&gt; &amp; fine picture" in page.text and "<b>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_rater_who_comes_back_goes_on_and_another_can_begin(run):
    with served(run, checks=0, per_rater=2) as (study, address), httpx.Client(base_url=address) as client:
        client.post("begin", data={"token": token_of(study, 1)})
        client.post(f"r/{token_of(study, 1)}", data={"position": 1, "choice": "left"})
        page = client.get("").text
        assert f'href="r/{token_of(study, 1)}">Go on with question 2 of 2' in page and "Begin as another person" in page
        client.post(f"r/{token_of(study, 1)}", data={"position": 2, "choice": "left"})
        assert "You have answered all 2 questions" in client.get("").text
        assert client.post("begin", data={"token": token_of(study, 2)}).headers["location"] == f"r/{token_of(study, 2)}"
        assert study.standing(token_of(study, 2)).position == 1


def test_a_token_that_the_study_did_not_make_begins_nothing(run):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        own = offered(client)
        turned = own[:-2] + ("A" if own[-2] != "A" else "B") + own[-1]
        foreign = signed(bytes(16), own[:22])  # of another study
        for forged in (own[:22], "0" * 22, "0" * 44, turned, own[::-1], own + "A", foreign):
            reply = client.post("begin", data={"token": forged})
            assert reply.status_code == 403 and re.fullmatch(r"[^\n<]+: begin there\.\n", reply.text), forged
            assert client.get(f"r/{forged}").status_code == 404
        assert study._connection.execute("SELECT count(*) FROM rater").fetchone() == (0,)
        assert client.post("begin", data={"token": own}).status_code == 303


def test_a_token_has_one_ballot_however_often_it_is_used(run):
    with served(run, checks=0, per_rater=2) as (study, address), httpx.Client(base_url=address) as client:
        token = offered(client)
        for position in (1, 2):
            assert client.post("begin", data={"token": token}).headers["location"] == f"r/{token}"
            for choice in ("left", "right"):
                client.post(f"r/{token}", data={"position": position, "choice": choice})
        assert client.post("begin", data={"token": token}).status_code == 303  # after the last question too
        assert "Thank you" in client.get(f"r/{token}").text
        assert [one.rater for one in study.answers()] == [1, 1]
        assert study._connection.execute("SELECT count(*) FROM rater").fetchone() == (1,)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    ],
)  # fmt: skip
def test_a_foreign_page_adds_no_rater_and_no_answer(run, headers):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        mine, other = offered(client), offered(client)
        client.post("begin", data={"token": mine}, headers={"origin": address.rstrip("/")})
        for path in ("begin", f"r/{mine}", f"r/{mine}/last"):
            data = {"token": other, "position": 1, "choice": "left"}
            reply = client.post(path, data=data, headers=headers)
            assert (reply.status_code, reply.text) == (403, "Another page may not ask this.\n")
        assert study.answers() == [] and client.get(f"r/{other}").status_code == 404
        assert client.post(f"r/{mine}", data={"position": 1, "choice": "left"}).status_code == 303


def test_another_host_is_refused_so_that_no_name_can_be_bound_anew(run):
    with served(run) as (_, address), httpx.Client(base_url=address) as client:
        port = httpx.URL(address).port
        for host, status in (
            ("evil.example", 421), (f"evil.example:{port}", 421), ("127.0.0.1", 421), (f"127.0.0.1:{port}", 200),
            (f"localhost:{port}", 200),
        ):  # fmt: skip
            assert client.get("", headers={"host": host}).status_code == status


def test_a_study_that_listens_everywhere_is_visited_by_any_address_and_by_names_that_are_allowed(run):
    with Study.opened(run) as study:
        pages = TestClient(application(run, study, {"study.example"}, any_address=True))
        for host, status in (
            ("192.168.7.7:7861", 200), ("[fe80::1]:7861", 200), ("study.example", 200), ("STUDY.example", 200),
            ("evil.example", 421), ("192.168.7.7.evil.example", 421), ("", 421),
        ):  # fmt: skip
            assert pages.get("/", headers={"host": host}).status_code == status, host
        for origin, status in (("http://192.168.7.7:7861", 303), ("http://192.168.7.8:7861", 403)):
            headers, data = {"host": "192.168.7.7:7861", "origin": origin}, {"token": token_of(study, 1)}
            assert pages.post("/begin", data=data, headers=headers, follow_redirects=False).status_code == status


def test_a_rater_goes_back_to_the_last_answer_and_the_last_choice_counts(run):
    with served(run, checks=0, per_rater=3) as (study, address), httpx.Client(base_url=address) as client:
        token = offered(client)
        client.post("begin", data={"token": token})
        nothing = client.get(f"r/{token}/last")
        assert (nothing.status_code, nothing.text) == (400, "there is no answer to go back to yet.\n")
        assert "last answer" not in client.get(f"r/{token}").text
        for position in (1, 2):
            client.post(f"r/{token}", data={"position": position, "choice": "left"})
        page = client.get(f"r/{token}/last").text
        assert "Question 2 of 3" in page and 'class="left chosen"' in page and 'class="right"' in page
        changed = client.post(f"r/{token}/last", data={"position": 2, "choice": "right"})
        assert (changed.status_code, changed.headers["location"]) == (303, f"../{token}")
        assert "Question 3 of 3" in client.get(f"r/{token}").text
        items = sheet(study.questions, study.settings, 1)
        given = [(one.question, one.value) for one in study.answers()]
        for (question, value), item, side in zip(given, items, ("left", "right")):
            assert (question, value) == (study.questions[item.question], value_of(question, item.swapped, side))
        for data in (
            {"position": 3, "choice": "left"},
            {"position": 2, "choice": "up"},
            {"position": 9, "choice": "left"},
        ):
            assert client.post(f"r/{token}/last", data=data).status_code == 400
        client.post(f"r/{token}/last", data={"position": 1, "choice": "right"})  # of a page that was left behind
        assert [(one.question, one.value) for one in study.answers()] == given and study.changes() == 1
