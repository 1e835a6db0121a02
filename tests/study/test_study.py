"""A study: what is asked of whom, that no answer is lost or doubled, and what comes out of the answers."""

import io
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from retouch.errors import BadParameter
from retouch.runs.run import Run
from retouch.study.album import Album
from retouch.study.plot import _draw_preferences, drawn
from retouch.study.questions import BadStudy, Question, Settings, all_questions, passed, pictures, value_of
from retouch.study.results import Preference, failing, preferences, ratings, verdict, wilson
from retouch.study.serve import listening
from retouch.study.server import application
from retouch.study.sheets import dealt, sheet
from retouch.study.store import Answer, BadAnswer, Study, UnknownRater
from retouch.suites.suite import Case, Entry
from tests.runs.painted import METHODS, small_run
from tests.test_cli import retouch

SENTENCE = re.compile(r"^retouch: [^\n]+\.\n$")


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Six cases by three methods; only to be read."""
    return small_run(tmp_path_factory.mktemp("painted") / "run", measured=False)


@pytest.fixture
def run(painted, tmp_path):
    """The same, a test's own."""
    shutil.copytree(painted.folder, tmp_path / "run")
    return Run.open(tmp_path / "run")


@contextmanager
def served(run, **given):
    """A study and the address of its server, which runs in a thread."""
    with Study.opened(run, given) as study, listening("127.0.0.1", 0) as taken:
        server = uvicorn.Server(uvicorn.Config(application(run, study), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            yield study, f"http://127.0.0.1:{taken.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def token_of(rater):
    return f"{rater:022d}"


def answer_all(study, rater, choose):
    """One rater's whole sheet; ``choose(question)`` says "first", "second" or a rating."""
    token = token_of(rater)
    study.join(token)
    while (standing := study.standing(token)).items:
        question, swapped = study.questions[standing.items[0].question], standing.items[0].swapped
        choice = str(choose(question))
        if choice in ("first", "second"):
            choice = "left" if (choice == "first") != swapped else "right"
        assert study.answer(token, standing.position, choice)


def rightly(question):
    """The right answer to a check, the first or a 4 to all else."""
    if question.kind == "preference":
        return "first"
    return {"same": 5, "stranger": 1, "told": question.told}.get(question.check, 4)


# --- statistics


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1),
    ],
)
def test_wilsons_interval_is_the_textbooks(wins, n, low, high):
    assert wilson(wins, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_wilsons_ends_are_where_the_share_is_z_standard_deviations_away(n, data):
    wins = data.draw(st.integers(0, n))
    share = wins / n
    for end in wilson(wins, n, 1.5):
        assert (end - share) ** 2 == pytest.approx(1.5**2 * end * (1 - end) / n, abs=1e-12)


def test_no_answers_say_nothing():
    assert wilson(0, 0) == (0, 1)


PAIRS = [Question("preference", case, 0, *pair) for case in "ab" for pair in (("x", "y"), ("x", "z"), ("y", "z"))]
RATED = [Question("rating", "a", 0, method, aspect=aspect) for method in "xy" for aspect in ("text", "rest")]


def test_preference_rates_count_the_answers_of_a_pair():
    answers = [Answer(1, PAIRS[0], 1), Answer(2, PAIRS[0], 1), Answer(1, PAIRS[3], 2), Answer(1, PAIRS[1], 2)]
    found = {(one.method, one.other): one for one in preferences(PAIRS, answers)}
    assert list(found) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert (found["x", "y"].wins, found["x", "y"].n) == (2, 3) and found["x", "y"].rate == pytest.approx(2 / 3)
    assert found["x", "z"].rate == 0 and found["x", "z"].interval == wilson(0, 1)
    assert found["y", "z"].n == 0 and found["y", "z"].rate is None


def test_a_reference_is_always_the_method_that_is_preferred():
    answers = [Answer(1, PAIRS[0], 1), Answer(2, PAIRS[0], 1), Answer(1, PAIRS[2], 1)]
    found = preferences(PAIRS, answers, "y")
    assert [(one.method, one.other, one.wins, one.n) for one in found] == [("y", "x", 0, 2), ("y", "z", 1, 1)]
    with pytest.raises(BadParameter, match="--compare is 'w'"):
        preferences(PAIRS, answers, "w")


def test_ratings_are_histograms_with_a_mean_for_each_aspect():
    answers = [Answer(rater, RATED[0], value) for rater, value in enumerate((5, 4, 4, 1))] + [Answer(0, RATED[3], 2)]
    found = {(one.method, one.aspect): one for one in ratings(RATED, answers)}
    assert found["x", "text"].counts == (1, 0, 0, 2, 1) and found["x", "text"].mean == 3.5
    assert found["y", "rest"].counts == (0, 1, 0, 0, 0) and found["y", "text"].mean is None


def test_one_wrong_check_fails_a_rater():
    check = Question("preference", "a", check="truth")
    answers = [Answer(1, check, 1), Answer(2, check, 2), Answer(2, replace(check, case="b"), 1), Answer(3, PAIRS[0], 2)]
    assert failing(answers) == {2}


def test_checks_have_one_right_answer():
    for check, kind, right in (
        ("truth", "preference", {1}), ("stranger", "preference", {1}), ("told", "preference", {1}),
        ("same", "rating", {4, 5}), ("stranger", "rating", {1, 2}), ("told", "rating", {3}),
    ):  # fmt: skip
        question = Question(kind, "a", seed=2, check=check)
        values = range(1, 3) if kind == "preference" else range(1, 6)
        assert {value for value in values if passed(question, value)} == right


# --- who is asked what


@given(st.integers(1, 5), st.integers(1, 9), st.data())
@settings(max_examples=40)
def test_hands_are_dealt_evenly_and_hold_no_card_twice(groups, of_each, data):
    cards = {group: [(group, i) for i in range(of_each)] for group in range(groups)}
    number = data.draw(st.integers(1, groups * of_each))
    given_out = Counter()
    for rater in range(1, 12):
        hand = dealt(cards, number, rater, "test")
        assert len(set(hand)) == len(hand) == number
        given_out.update(hand)
        counts = [given_out[card] for deck in cards.values() for card in deck]
        assert max(counts) - min(counts) <= 1


def test_a_hand_holds_about_equally_many_of_every_group():
    cards = {group: [(group, i) for i in range(40)] for group in "abcd"}
    for rater in range(1, 6):
        groups = Counter(group for group, _ in dealt(cards, 20, rater, "test"))
        assert all(3 <= groups[group] <= 7 for group in cards)


def test_sides_are_balanced_for_every_rater_and_every_pair():
    asked = [Question("preference", str(i), 0, "x", other) for i in range(20) for other in ("y", "z")]
    for rater in range(1, 9):
        items = sheet(asked, Settings(per_rater=20, checks=0), rater)
        assert sum(item.swapped for item in items) == 10
        for other in ("y", "z"):
            sides = [item.swapped for item in items if asked[item.question].second == other]
            assert abs(2 * sum(sides) - len(sides)) <= 1
    both_ways = {(item.question, item.swapped) for r in range(1, 30) for item in sheet(asked, Settings(checks=0), r)}
    assert len(both_ways) == 2 * len(asked)


def test_a_sheet_is_the_raters_own_and_follows_from_the_seed():
    asked = [Question("preference", str(i), 0, "x", "y") for i in range(30)]
    sheets = [tuple(sheet(asked, Settings(checks=0), rater)) for rater in range(1, 6)]
    assert len(set(sheets)) == 5 and {len(one) for one in sheets} == {30}
    assert sheets == [tuple(sheet(asked, Settings(checks=0), rater)) for rater in range(1, 6)]
    assert sheets[0] != tuple(sheet(asked, Settings(checks=0, seed=1), 1))
    # written down, so that a later version deals the same sheets
    assert [item.question for item in sheets[0][:5]] == [29, 2, 19, 24, 28]


def test_checks_lie_scattered_and_never_first(painted):
    chosen = Settings(questions="both", per_rater=12, checks=3)
    asked = all_questions(painted, chosen)
    places = set()
    for rater in range(1, 15):
        items = [asked[item.question] for item in sheet(asked, chosen, rater)]
        assert len(items) == 15 and [one.kind for one in items] == sorted(one.kind for one in items)
        places.add(tuple(i for i, one in enumerate(items) if one.check))
        assert Counter(one.kind for one in items if one.check) == {"preference": 2, "rating": 1}
    assert len(places) > 5 and min(map(min, places)) > 0


def test_one_method_is_compared_with_every_other_or_all_pairs_are(painted):
    asked = [one for one in all_questions(painted, Settings()) if not one.check]
    assert {(one.first, one.second) for one in asked} == {
        ("prox-npi", "masactrl"), ("prox-npi", "sdedit"), ("masactrl", "sdedit"),
    }  # fmt: skip
    assert len(asked) == 3 * 6
    asked = [one for one in all_questions(painted, Settings(compare="sdedit")) if not one.check]
    assert {(one.first, one.second) for one in asked} == {("sdedit", "prox-npi"), ("sdedit", "masactrl")}
    asked = [one for one in all_questions(painted, Settings(questions="rating")) if not one.check]
    assert len(asked) == 3 * 6 * 2 and {one.aspect for one in asked} == {"text", "rest"}


def test_edits_that_failed_or_lack_are_not_asked_about(tmp_path):
    run = small_run(
        tmp_path / "run", METHODS[:2], 1, (0, 1), kinds=("colour", "place"), measured=False,
        failing=[("colour-1000", "prox-npi", 0)], lacking=[("place-1000", "masactrl", 1)],
    )  # fmt: skip
    run.edit_path(run.records()[-1]).unlink()
    asked = {(one.case, one.seed) for one in all_questions(run, Settings(checks=0))}
    assert asked == {("colour-1000", 1)}


def test_the_right_answer_checks_where_it_is_known(painted):
    checks = [one for one in all_questions(painted, Settings()) if one.check]
    assert Counter(one.check for one in checks)["truth"] >= 3
    shown = pictures(next(one for one in checks if one.check == "truth"))
    assert [one.part for one in shown] == ["input", "truth", "input"]


def plain_cases(count, truth=False):
    """Cases with no right answer, each a colour of its own."""
    colours = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]
    return [
        Case(Entry(f"case {i}", "any", "a <b>bold</b> & fine picture"), Image.new("RGB", (64, 48), colours[i]))
        for i in range(count)
    ]


def test_a_strangers_picture_checks_where_no_right_answer_is_known(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(3), measured=False)
    for kind, sorts in (("preference", {"stranger"}), ("rating", {"same", "stranger"})):
        checks = [one for one in all_questions(run, Settings(questions=kind)) if one.check]
        assert {one.check for one in checks} == sorts
        for one in checks:
            assert one.check == "same" or pictures(one)[-1].case == one.stranger != one.case


def test_raters_are_told_what_to_press_where_there_is_one_case_alone(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(1), measured=False)
    asked = all_questions(run, Settings())
    assert [one.check for one in asked] == ["", "told", "told", "told"]
    assert len(sheet(asked, Settings(), 1)) == 4
    with served(run) as (study, address), httpx.Client(base_url=address, follow_redirects=True) as client:
        page = client.post("begin", data={"token": token_of(1)}).text
        page = client.post(f"r/{token_of(1)}", data={"position": 1, "choice": "left"}).text
        told = re.search(r"choose the (left|right) picture", page).group(1)
        client.post(f"r/{token_of(1)}", data={"position": 2, "choice": told})
        assert passed(study.answers()[-1].question, study.answers()[-1].value)


def test_what_was_pressed_counts_for_what_was_on_that_side():
    pair, rated = PAIRS[0], RATED[0]
    assert [value_of(pair, swapped, side) for swapped in (False, True) for side in ("left", "right")] == [1, 2, 2, 1]
    assert [value_of(rated, False, str(value)) for value in range(1, 6)] == [1, 2, 3, 4, 5]


# --- what is kept


def test_an_answer_counts_once_and_the_first_one_stays(run):
    with Study.opened(run, {"checks": 0}) as study:
        assert study.join(token_of(7)) == study.join(token_of(7)) == 1
        assert study.answer(token_of(7), 1, "left") and not study.answer(token_of(7), 1, "right")
        assert len(study.answers()) == 1
        item = study.standing(token_of(7))
        assert (item.position, item.answered) == (2, 1)
        for position, choice in ((3, "left"), (99, "left"), (2, "middle"), (2, "1")):
            with pytest.raises(BadAnswer):
                study.answer(token_of(7), position, choice)
        with pytest.raises(UnknownRater):
            study.answer(token_of(8), 1, "left")
    with Study.opened(run) as study:  # and after a restart
        assert len(study.answers()) == 1 and study.settings.checks == 0
        assert study.standing(token_of(7)) == item


def test_a_study_goes_on_with_its_settings_and_refuses_others(run):
    with Study.opened(run, {"compare": "sdedit", "per_rater": 500}) as study:
        secret, asked = study.secret, study.questions
    with Study.opened(run, {"per_rater": 500}) as study:
        assert (study.secret, study.questions) == (secret, asked) and study.settings.compare == "sdedit"
    for name, value in (("compare", "masactrl"), ("per_rater", 5), ("questions", "rating"), ("checks", 1), ("seed", 2)):
        with (
            pytest.raises(BadStudy, match=f"a study with --{name.replace('_', '-')} .* was given: leave"),
            Study.opened(run, {name: value}),
        ):
            pass


def test_edits_made_with_other_settings_are_another_study(run):
    with Study.opened(run):
        pass
    manifest = json.loads((run.folder / "run.json").read_text())
    manifest["methods"]["masactrl"]["settings"] = {"step": 3}
    (run.folder / "run.json").write_text(json.dumps(manifest))
    with (
        pytest.raises(BadStudy, match="edits by masactrl that this run does not have"),
        Study.opened(Run.open(run.folder)),
    ):
        pass


def not_a_database(path):
    path.write_bytes(b"these are not the pages of a database" * 200)


def torn(path):
    whole = bytearray(path.read_bytes())
    whole[4096:8192] = random.Random(0).randbytes(4096)
    path.write_bytes(whole)


def another_database(path):
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")


def another_version(path):
    with sqlite3.connect(path) as study:
        study.execute("PRAGMA user_version = 99")


def unreadable_settings(path):
    with sqlite3.connect(path) as study:
        study.execute("UPDATE study SET value = '{' WHERE name = 'settings'")


@pytest.mark.parametrize("damage", [not_a_database, torn, another_database, another_version, unreadable_settings])
def test_a_damaged_study_is_one_sentence(run, damage):
    with Study.opened(run) as study:
        path = study.path
    damage(path)
    for options in ((), ("--results",)):
        done = retouch("study", run.folder, "--port", 0, *options)
        assert done.returncode == 2 and SENTENCE.match(done.stderr) and "study.sqlite" in done.stderr


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
    token = token_of(1)
    with started(run.folder, "--port", 0, "--checks", 0) as (process, address):
        with httpx.Client(base_url=address) as client:
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
        token, choose = token_of(rater), random.Random(rater)
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
            number = study.join(token_of(rater))
            for position, item in enumerate(sheet(study.questions, study.settings, number), start=1):
                question = study.questions[item.question]
                assert stored[number, question] == value_of(question, item.swapped, pressed[rater, position])


# --- the pages


def test_nothing_on_a_page_says_which_method_made_an_edit(run):
    with served(run, questions="both", per_rater=36) as (study, address), httpx.Client(base_url=address) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("").text).group(1)
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
        client.post("begin", data={"token": token_of(1)})
        for position, item in enumerate(sheet(study.questions, study.settings, 1), start=1):
            question = study.questions[item.question]
            page = client.get(f"r/{token_of(1)}").text
            names = re.findall(r'<img src="\.\./picture/(\w+)"', page)  # the input, left, right
            by_method = {record.method: run.edit(record) for record in run.records() if record.case == question.case}
            shown = [question.second, question.first] if item.swapped else [question.first, question.second]
            assert [_same(client, name, by_method[method]) for name, method in zip(names[1:], shown)] == [True, True]
            assert _same(client, names[0], run.case(question.case).picture)
            client.post(f"r/{token_of(1)}", data={"position": position, "choice": "left"})


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
    with served(run) as (_, address), socket.create_connection(httpx.URL(address).netloc.decode().split(":")) as raw:
        raw.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(100_000).startswith(b"HTTP/1.1 404 ")


def test_bad_input_is_one_sentence_and_changes_nothing(run):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        token = token_of(1)
        for bad in ("", "short", "x" * 23, "../../etc/passwd/.....", "<script>alert(1)</scri"):
            assert client.post("begin", data={"token": bad}).status_code == 400
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
        assert client.post(f"r/{token_of(2)}", data={"position": "1", "choice": "left"}).status_code == 404
        lost = client.get(f"r/{token_of(2)}", headers={"accept": "text/html"})
        assert lost.status_code == 404 and "belongs to no rater" in lost.text and 'href="../"' in lost.text
        assert study.answers() == []


def test_a_full_disk_is_said_and_the_study_goes_on_when_there_is_room(run, capsys):
    with served(run) as (study, address), httpx.Client(base_url=address) as client:
        (pages,) = study._connection.execute("PRAGMA page_count").fetchone()
        study._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says what it says of a full disk
        replies = [client.post("begin", data={"token": token_of(rater)}) for rater in range(40)]
        refused = [rater for rater, reply in enumerate(replies) if reply.status_code != 303]
        assert refused and replies[refused[0]].status_code == 503
        assert replies[refused[0]].text == "The study cannot go on just now; whoever runs it can see why.\n"
        assert "could not be used (database or disk is full)" in capsys.readouterr().err
        study._connection.execute(f"PRAGMA max_page_count = {10 * pages}")
        assert client.post("begin", data={"token": token_of(refused[0])}).status_code == 303
        assert study.standing(token_of(refused[0])).total == 18 + 3


def test_words_of_the_run_are_escaped(tmp_path):
    run = small_run(tmp_path / "run", METHODS[:2], cases=plain_cases(2), measured=False)
    with served(run) as (_, address), httpx.Client(base_url=address, follow_redirects=True) as client:
        page = client.post("begin", data={"token": token_of(1)})
        assert "a &lt;b&gt;bold&lt;/b&gt; &amp; fine picture" in page.text and "<b>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_rater_who_comes_back_goes_on_and_another_can_begin(run):
    with served(run, checks=0, per_rater=2) as (study, address), httpx.Client(base_url=address) as client:
        client.post("begin", data={"token": token_of(1)})
        client.post(f"r/{token_of(1)}", data={"position": 1, "choice": "left"})
        page = client.get("").text
        assert f'href="r/{token_of(1)}">Go on with question 2 of 2' in page and "Begin as another person" in page
        client.post(f"r/{token_of(1)}", data={"position": 2, "choice": "left"})
        assert "You have answered all 2 questions" in client.get("").text
        assert client.post("begin", data={"token": token_of(2)}).headers["location"] == f"r/{token_of(2)}"
        assert study.standing(token_of(2)).position == 1


# --- the command


def test_results_leave_out_who_failed_a_check_and_say_so(run, tmp_path):
    with Study.opened(run, {"questions": "both", "compare": "prox-npi", "per_rater": 20}) as study:
        for rater in range(3):
            answer_all(study, rater, rightly)
        answer_all(study, 3, lambda one: "second" if one.kind == "preference" else 3)
        study.join(token_of(4))
        assert study.answer(token_of(4), 1, "left")
        study.join(token_of(5))  # looked, and left
        found, kept = verdict(study), verdict(study, keep_all=True)
    assert (found.raters, found.finished, found.failed, found.answers) == (5, 4, 1, 61)
    assert kept.answers == 81 and found.preferences[0].rate > 0.9 > kept.preferences[0].rate
    assert {one.mean for one in found.ratings if one.n} == {4}
    done = retouch("study", run.folder, "--results", "--plot", tmp_path / "plot.png")
    assert done.returncode == 0, done.stderr
    assert "raters: 5, with all questions answered: 4, with a failed check: 1 (left out, --keep-all" in done.stdout
    assert re.search(r"prox-npi +sdedit +9\d\.\d% +\d\d\.\d% to \d+\.\d% +1\d", done.stdout) or "100.0%" in done.stdout
    assert Image.open(tmp_path / "plot.png").size == drawn(found).size
    figures = json.loads(retouch("study", run.folder, "--results", "--json", "--keep-all").stdout)
    assert figures == json.loads(json.dumps(kept.figures())) and figures["kept"] is True
    turned = json.loads(retouch("study", run.folder, "--results", "--json", "--compare", "sdedit").stdout)
    (pair,) = turned["preferences"]
    assert (pair["method"], pair["other"]) == ("sdedit", "prox-npi") and pair["rate"] < 0.1


def test_the_plots_rates_are_beside_the_bars_where_no_interval_crosses_them():
    axes = Figure().subplots()
    _draw_preferences(axes, [Preference("ours", "theirs", wins, 8) for wins in (0, 2, 8)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ours  0 %", "ours  25 %", "ours  100 %"]
    assert not axes.texts


def test_the_plot_of_no_answers_is_refused_and_a_table_is_not(run, tmp_path):
    done = retouch("study", run.folder, "--results")
    assert done.returncode == 2 and "has no study yet" in done.stderr
    with Study.opened(run):
        pass
    assert retouch("study", run.folder, "--results").stdout.startswith("raters: 0")
    done = retouch("study", run.folder, "--results", "--plot", tmp_path / "plot.png")
    assert done.returncode == 2 and "nothing to draw" in done.stderr and not (tmp_path / "plot.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--compare", "nobody"),
            "--compare is 'nobody', and the run has no edits by it; it has: prox-npi, masactrl, sde",
        ),
        (("--questions", "taste"), "--questions is 'taste', expected one of: preference, rating, both"),
        (("--per-rater", 0), "--per-rater is 0, expected a whole number in 1..1000"),
        (("--checks", -1), "--checks is -1"),
        (("--seed", -1), "--seed is -1"),
        (("--compare", "sdedit", "--questions", "rating"), "--compare is for preference questions"),
        (("--plot", "x.png"), "--plot goes with --results"),
        (("--port", 70000), "--port is 70000"),
        (("--host", "nowhere.invalid"), "--host is 'nowhere.invalid'"),
    ],
)
def test_bad_options_are_one_sentence(run, options, said):
    done = retouch("study", run.folder, *options)
    assert done.returncode == 2 and said in done.stderr and SENTENCE.match(done.stderr)
    assert not (run.folder / "study.sqlite").exists()


def test_runs_that_cannot_be_judged_are_one_sentence(tmp_path):
    def refusal(folder, *options):
        done = retouch("study", folder, "--port", 0, *options)
        assert done.returncode == 2 and SENTENCE.match(done.stderr) and not list(folder.glob("study.sqlite*"))
        return done.stderr

    assert "holds no run" in refusal(tmp_path)
    cases = plain_cases(2)
    every = [(case.entry.id, METHODS[0], 0) for case in cases]
    empty = small_run(tmp_path / "empty", METHODS[:1], cases=cases, lacking=every, measured=False)
    assert "has no edits to judge" in refusal(empty.folder)
    alone = small_run(tmp_path / "alone", METHODS[:1], cases=cases, measured=False)
    assert "edits by prox-npi alone, and a preference needs two methods" in refusal(alone.folder)
    apart = small_run(
        tmp_path / "apart", METHODS[:2], cases=cases, measured=False,
        lacking=[("case 0", METHODS[0], 0), ("case 1", METHODS[1], 0)],
    )  # fmt: skip
    assert "no case of" in refusal(apart.folder)
    with Study.opened(alone, {"questions": "rating"}) as study:
        assert len(study.questions) > 4
    alone.edit_path(alone.records()[0]).unlink()
    done = retouch("study", alone.folder, "--port", 0)
    assert done.returncode == 2 and "which is not there" in done.stderr and SENTENCE.match(done.stderr)


def test_a_port_in_use_is_one_sentence(run):
    with listening("127.0.0.1", 0) as taken:
        done = retouch("study", run.folder, "--port", taken.getsockname()[1])
    assert done.returncode == 2 and SENTENCE.match(done.stderr) and "is taken: name another with --port" in done.stderr
