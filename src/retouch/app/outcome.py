"""Jobs of the studio done, and what comes out of them kept in their visits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from retouch.app.pictures import united
from retouch.app.queue import Job
from retouch.app.tasks import Answer, Edit, Found, Made, News, Preview, Progress, Sweep, Task
from retouch.app.visits import Drawn, Visit, drawn_of


class Does(Protocol):
    """What does tasks: :class:`retouch.app.workshop.Workshop`."""

    def do(self, task: Task, tell: Callable[[News], None], cancelled: Callable[[], bool]) -> Answer:
        """Does a task."""


def run(workshop: Does, job: Job[Task]) -> Answer:
    """Does a job, which tells meanwhile how far it is."""

    def tell(news: News) -> None:
        if isinstance(news, Progress):
            job.done, job.total = news.done, news.total
        elif isinstance(news, Preview):
            job.preview, job.previews = news.picture, job.previews + 1
        else:
            job.detail = news.words

    return workshop.do(job.task, tell, job.cancelled.is_set)


def keep(visit: Visit, job: Job[Task]) -> None:
    """What came out of a job, or why nothing did, into its visit; the job no longer holds pictures then."""
    drawn = _drawn(job)
    with visit.lock:
        visit.changes += 1
        if job.state == "failed":
            visit.say(job.error, bad=True)
        elif job.state == "done":
            _keep(visit, job, drawn)
        job.result = job.preview = None
        job.task = _light(job.task)


def _drawn(job: Job[Task]) -> list[Drawn]:
    return [drawn_of(made.picture, made) for made in job.result] if isinstance(job.result, tuple) else []


def _keep(visit: Visit, job: Job[Task], drawn: list[Drawn]) -> None:
    answer: Answer = job.result
    if isinstance(answer, Found):
        if visit.current == job.parent:
            visit.mask, visit.masks = united(visit.mask, answer.mask), visit.masks + 1
        visit.say(*answer.notes)
    elif isinstance(answer, str):
        if visit.current == job.parent in visit.nodes and not visit.form.get("source"):
            visit.bring_back({"source": answer})
            visit.say(*visit.nodes[job.parent].notes, "What it shows is a proposal: put it right where it is wrong.")
    elif job.parent in visit.nodes:
        for made, small in zip(answer, drawn, strict=True):
            label = _varied(made) if len(answer) > 1 else job.label
            size = visit.nodes[job.parent].size
            node = visit.add(made.picture, size, label, job.parent, made, job.group, made.notes, small)
            visit.shown = node.number


def _varied(made: Made) -> str:
    eta = made.recipe.get("parameters", {}).get("eta")
    return f"{f'eta {eta:g}, ' if isinstance(eta, int | float) else ''}seed {made.recipe.get('seed')}"


def _light(task: Task) -> Task:
    """A task that is over, without its pictures."""
    if isinstance(task, Edit):
        return replace(task, picture=b"", mask=None, foreground=None, reference=None)
    if isinstance(task, Sweep):
        return replace(task, edit=replace(task.edit, picture=b"", mask=None, foreground=None, reference=None))
    return replace(task, picture=b"")
