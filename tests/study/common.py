"""A study that is served, raters who answer, and what its refusals look like."""

import re
import threading
from contextlib import contextmanager

import uvicorn
from PIL import Image

from retouch.guard import hosts_of
from retouch.study.questions import Question
from retouch.study.serve import listening
from retouch.study.server import application
from retouch.study.store import Study
from retouch.study.tokens import signed
from retouch.suites.suite import Case, Entry

SENTENCE = re.compile(r"^retouch: [^\n]+\.\n$")

PAIRS = [Question("preference", case, 0, *pair) for case in "ab" for pair in (("x", "y"), ("x", "z"), ("y", "z"))]
RATED = [Question("rating", "a", 0, method, aspect=aspect) for method in "xy" for aspect in ("text", "rest")]


def plain_cases(count, truth=False):
    """Cases with no right answer, each a colour of its own."""
    colours = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]
    return [
        Case(Entry(f"case {i}", "any", "a <b>bold</b> & fine picture"), Image.new("RGB", (64, 48), colours[i]))
        for i in range(count)
    ]


@contextmanager
def served(run, **given):
    """A study and the address of its server, which runs in a thread."""
    with Study.opened(run, given) as study, listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        pages = application(run, study, hosts_of("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(pages, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            yield study, f"http://127.0.0.1:{port}/"
        finally:
            server.should_exit = True
            thread.join()


def token_of(study, rater):
    """One that the study made."""
    return signed(study.secret, f"{rater:022d}")


def answer_all(study, rater, choose):
    """One rater's whole sheet; ``choose(question)`` says "first", "second" or a rating."""
    token = token_of(study, rater)
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
