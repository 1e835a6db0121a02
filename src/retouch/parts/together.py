"""Several edits side by side on one model: whatever they ask of it at the same time is one call of the network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar, cast

import torch
from torch import Tensor

from retouch.backbone.condition import Condition
from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import at_work
from retouch.parts.attach import installed
from retouch.parts.edits import Group, Now
from retouch.parts.seat import Call, Seat, timesteps_of

Result = TypeVar("Result")
_PATIENCE = 0.2  # seconds after which whoever waits for the edits looks whether it was interrupted


class _Stopped(BaseException):
    """Ends the edits that are going on: nothing of theirs is an answer."""


class Together:
    """Runs edits side by side: each has a thread, one of them is at work at a time, in the order of their numbers.

    An edit that asks the network something waits until every other waits as well or is done. Then what is alike is
    put together: N edits of R rows a step become one batch of N·R rows, with each one's changes to attention on its
    own rows. So any method is batched that leaves the weights alone, and no method knows.
    """

    def __init__(self, model: Backbone) -> None:
        self._model, self._order = model, threading.Condition()
        self._waiting: list[Call] = []
        self._interrupt: BaseException | None = None
        self._alive, self._open, self._stopped, self._at_once = 0, True, False, False

    def run(
        self, jobs: Sequence[Callable[[Backbone], Result]], *, stop_at_once: bool = False
    ) -> list[Result | Exception | None]:
        """What the jobs return, or raise; each is handed a backbone that is its alone.

        Whoever calls has the model's turn. Interrupted, all of them end at their next question.

        Args:
            stop_at_once: whether all end when one raises: None stands for those that were not done.
        """
        self._at_once = stop_at_once
        found: list[Result | Exception | None] = [None] * len(jobs)
        self._alive = len(jobs)
        threads = [
            threading.Thread(target=self._one, args=(number, job, found), name=f"edit {number + 1}", daemon=True)
            for number, job in enumerate(jobs)
        ]
        with self._order:
            for thread in threads:
                thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_PATIENCE)
        finally:
            with self._order:
                self._stopped |= any(thread.is_alive() for thread in threads)
                self._order.notify_all()
            for thread in threads:
                thread.join()
            self._open = False
        if self._interrupt is not None:
            raise self._interrupt
        return found

    def _one(self, number: int, job: Callable[[Backbone], Result], found: list[Result | Exception | None]) -> None:
        with self._order:
            try:
                if not self._stopped:
                    with at_work(self._model):
                        found[number] = job(cast(Backbone, Seat(self._model, self._ask)))
            except Exception as error:
                found[number] = error
                self._stopped |= self._at_once
            except _Stopped:
                pass
            except BaseException as error:  # Ctrl-C in a callback
                self._interrupt, self._stopped = error, True
            finally:
                self._alive -= 1
                if self._stopped:
                    self._order.notify_all()
                self._answer_if_all_wait()

    def _ask(self, call: Call) -> Tensor:
        """The answer to a call, when every edit that is not done has asked something."""
        if not self._open:  # a result decoded later on
            return self._answered([call])
        if self._stopped:
            raise _Stopped
        if call.differentiable:
            return self._answered([call])
        self._waiting.append(call)
        self._answer_if_all_wait()
        while call.answer is None and call.error is None:
            self._order.wait()
            if self._stopped:
                raise _Stopped
        if call.error is not None:
            raise call.error
        return cast(Tensor, call.answer)

    def _answer_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._alive or self._stopped:
            return
        waiting, self._waiting = self._waiting, []
        alike: dict[tuple[object, ...], list[Call]] = {}
        for call in waiting:
            alike.setdefault(call.alike, []).append(call)
        for calls in alike.values():
            try:
                with torch.no_grad():
                    answers = self._answered(calls).split([len(call.rows) for call in calls])
                for call, answer in zip(calls, answers, strict=True):
                    call.answer = answer
            except Exception as error:
                for call in calls:
                    call.error = error
        self._order.notify_all()

    def _answered(self, calls: Sequence[Call]) -> Tensor:
        """The answers to calls that are alike, one after another in one batch."""
        rows = calls[0].rows if len(calls) == 1 else torch.cat([call.rows for call in calls])
        said = [call.condition for call in calls if call.condition is not None]
        condition = Condition.cat(said) if said else None
        if calls[0].what == "encode":
            return self._model.encode(rows)
        if condition is None or calls[0].what == "decode":
            return self._model.decode(rows, condition)
        groups, first = list[Group](), 0
        for call in calls:
            held, last = call.held or Group((), (), Now()), first + len(call.rows)
            groups.append(Group(held.edits, held.blocks, held.now, slice(first, last)))
            first = last
        changed = any(group.edits or group.blocks for group in groups)
        with installed(self._model, groups) if changed else nullcontext():
            return self._model.predict(rows, timesteps_of(calls, self._model.device), condition)
