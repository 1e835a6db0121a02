"""The process that holds the model: told to end, out of time, dying under an edit, and out of memory."""

import os
import time

import pytest

from retouch.app.about import About
from retouch.app.tasks import Ended, Load, Loaded, Loading, Progress, Refused
from retouch.app.workshop import Cancelled, Crashed, TookTooLong, Workshop
from retouch.errors import BadModel, RetouchError

pytestmark = pytest.mark.slow  # every test starts processes


def entry(connection, ended, loading):
    """A worker without a model: what a task says is done."""
    if loading.model == "nowhere":
        connection.send(Refused("there is no such model."))
        return
    if loading.model == "dies":
        os._exit(1)
    connection.send(About(loading.model))
    assert connection.recv() == Load()
    connection.send(Loaded())
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task == "die":
            os._exit(9)
        if task == "refuse":
            connection.send(Refused("this cannot be done."))
        elif task == "pid":
            connection.send(str(os.getpid()))
        else:
            hangs, step = task == "hang", 0
            while hangs or not ended.is_set():
                step += 1
                if not hangs:
                    connection.send(Progress(step, 1000))
                time.sleep(0.01)
            connection.send(Ended())


@pytest.fixture(scope="module")
def shop():
    made = Workshop(Loading("tiny"), limit=60, grace=0.5, entry=entry)
    made.start()
    assert made.ready() == About("tiny")
    yield made
    made.close()


def do(shop, task, cancelled=lambda: False, tell=lambda news: None):
    return shop.do(task, tell, cancelled)


def test_a_task_that_is_told_to_end_does_so_at_its_next_step_and_the_process_lives(shop):
    pid, steps = do(shop, "pid"), []
    with pytest.raises(Cancelled):
        do(shop, "work", cancelled=lambda: len(steps) >= 3, tell=lambda news: steps.append(news.done))
    assert len(steps) < 20 and do(shop, "pid") == pid  # told at a look, within a few steps of ten milliseconds


def test_one_that_does_not_end_is_ended_with_its_process_and_the_next_task_gets_another(shop):
    pid = do(shop, "pid")
    with pytest.raises(Cancelled):
        do(shop, "hang", cancelled=lambda: True)
    assert do(shop, "pid") != pid


def test_a_task_whose_process_dies_is_a_sentence_and_the_next_is_done(shop):
    with pytest.raises(Crashed, match="died under this edit"):
        do(shop, "die")
    assert do(shop, "pid")


def test_a_task_that_takes_too_long_is_ended(shop, monkeypatch):
    monkeypatch.setattr(shop, "limit", 0.1)
    with pytest.raises(TookTooLong, match=r"longer than 0\.1 s"):
        do(shop, "work")


def test_a_task_that_cannot_be_done_is_its_own_sentence(shop):
    with pytest.raises(RetouchError, match="cannot be done"):
        do(shop, "refuse")


@pytest.mark.parametrize("model, sentence", [("nowhere", "no such model"), ("dies", "enough memory")])
def test_a_model_that_cannot_be_loaded_is_a_sentence(model, sentence):
    shop = Workshop(Loading(model), entry=entry)
    with pytest.raises(BadModel, match=sentence):
        shop.ready()
