"""The queue: fair over visitors, with places and waits; one job's end is no other's."""

import threading

import pytest

from retouch.app.queue import Full, Job, Queue
from retouch.errors import RetouchError
from tests.app.common import until


class Line:
    """A queue whose jobs are done one by one, when the test says so."""

    def __init__(self, most=64):
        self.order, self.go = [], threading.Semaphore(0)
        self.ended = []
        self.queue = Queue(self._run, lambda job: self.ended.append(job), most)

    def _run(self, job):
        self.order.append(job.task)
        while not self.go.acquire(timeout=0.01):
            if job.cancelled.is_set():
                raise RetouchError("cancelled")
        if isinstance(job.task, BaseException):
            raise job.task
        return f"done {job.task}"

    def add(self, visitor, *tasks):
        jobs = [Job(visitor, task, kind="edit") for task in tasks]
        self.queue.add(*jobs)
        return jobs

    def all(self, count):
        for _ in range(count):
            self.go.release()
        until(lambda: len(self.ended) >= count)


@pytest.fixture
def line():
    made = Line()
    yield made
    made.queue.close()


def test_visitors_take_turns_whoever_asked_for_more(line):
    line.add("anna", "a1", "a2", "a3")
    until(lambda: line.order)
    line.add("bert", "b1", "b2")
    line.add("carla", "c1")
    line.all(6)
    assert line.order == ["a1", "a2", "b1", "c1", "a3", "b2"]


def test_a_place_says_how_many_are_done_before_and_it_comes_true(line):
    line.add("anna", "a1", "a2", "a3")
    until(lambda: line.order)
    (b1,) = line.add("bert", "b1")
    places = {job.task: line.queue.place(job) for job in [b1]}
    assert places == {"b1": 2}  # behind a1, which runs, and a2
    line.all(4)
    assert line.order.index("b1") == 2 and line.queue.place(b1) is None


def test_a_wait_grows_with_the_place_and_follows_what_was_measured(line):
    line.add("anna", "a1")
    until(lambda: line.order)
    jobs = line.add("bert", "b1", "b2", "b3")
    waits = [line.queue.wait(job) for job in jobs]
    assert waits == sorted(waits) and waits[0] < waits[2]
    line.all(1)  # took no time, and the next are expected to take none
    until(lambda: jobs[0].state == "running")
    assert line.queue.wait(jobs[2]) < waits[2]
    line.all(4)


def test_a_job_that_fails_leaves_the_others_alive(line):
    jobs = line.add("anna", MemoryError(), RetouchError("a sentence."), SystemExit(), ValueError("inside"), "fine")
    line.all(5)
    assert [job.state for job in jobs] == ["failed"] * 4 + ["done"]
    assert "memory" in jobs[0].error and jobs[1].error == "a sentence." and "ValueError" in jobs[3].error
    assert jobs[4].result == "done fine"


def test_a_waiting_job_is_cancelled_at_once_and_never_run(line):
    first, second = line.add("anna", "a1", "a2")
    until(lambda: line.order)
    line.queue.cancel(second)
    assert second.state == "cancelled" and second.over
    line.all(1)
    (third,) = line.add("anna", "a3")
    line.all(3)
    assert line.order == ["a1", "a3"] and first.state == third.state == "done"


def test_a_running_job_is_told_and_the_next_begins(line):
    first, second = line.add("anna", "a1", "a2")
    until(lambda: line.order)
    line.queue.cancel(first)
    until(lambda: second.state == "running")
    assert first.state == "cancelled"
    line.all(2)


def test_more_jobs_than_may_wait_are_refused_together():
    line = Line(most=2)
    line.add("anna", "a1")
    until(lambda: line.order)
    line.add("anna", "a2")
    with pytest.raises(Full, match="wait for some, or cancel"):
        line.add("anna", "a3", "a4")
    line.add("bert", "b1")  # others have a line of their own
    line.all(3)
    assert sorted(line.order) == ["a1", "a2", "b1"]
    line.queue.close()


def test_whoever_listens_and_fails_does_not_stop_the_line():
    seen = []

    def listen(job):
        seen.append(job.task)
        raise ValueError("the listener's own fault")

    queue = Queue(lambda job: None, listen)
    queue.add(Job("anna", 1), Job("anna", 2))
    until(lambda: seen == [1, 2])
    queue.close()
