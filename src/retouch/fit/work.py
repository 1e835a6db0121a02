"""Long work that behaves: optimiser steps with a budget, checkpoints, resumption, and a way out at every step."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retouch.errors import BadFit, RetouchError
from retouch.fit.fitted import Fit
from retouch.fit.tensors import read_tensors, write_tensors

_PARTS = ("", "step", "exp_avg", "exp_avg_sq")  # of a variable: its value, and what Adam keeps of it
_EVERY = 20.0  # seconds of work between checkpoints

Loss = Callable[[int], Tensor]
"""The loss (a scalar with a graph) at a step, counted from 0. What it draws depends on the step's number alone."""


@dataclass
class Work:
    """Optimiser steps in stages, each of which ends early when the budget, the user or the loss says so.

    Attributes:
        budget: seconds that all steps may take together, those before a resumption included; None for no limit.
        checkpoint: a file that is written at least every 30 s and found again after a kill; None keeps the last good
            state in memory only.
        identity: what the work is for, JSON-ready; a checkpoint of other work is not resumed.
        detail: called with a few words on what is going on: stage, loss.
        told: what a fit's recipe says beside that, JSON-ready.
        stopped: why the work ended early: "", "budget", "interrupted" or "diverged".
        message: the sentence that tells the user so.
        steps: how many steps each stage has taken.
        losses: each stage's mean loss over its last fifty steps.
        seconds: spent so far, those before a resumption included.
    """

    budget: float | None = None
    checkpoint: Path | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    detail: Callable[[str], None] = lambda words: None
    told: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""
    message: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    _kept: dict[str, Tensor] = field(default_factory=dict)  # by "stage/variable", and "stage/variable:moment" of Adam
    _allotted: float = 0.0
    _restored: bool = False
    _interrupted: bool = False

    def optimise(
        self,
        stage: str,
        variables: Mapping[str, Tensor],
        loss: Loss,
        *,
        steps: int,
        learning_rate: float,
        share: float = 1.0,
        progress: Callable[[int], None] = lambda steps: None,
    ) -> None:
        """Minimises ``loss`` over ``variables``, in place, by ``steps`` of Adam.

        Args:
            stage: its name, the same from run to run.
            variables: leaf tensors that require gradients.
            share: of the budget, 0..1; what earlier stages left over is added.
            progress: called with the number of steps just finished.

        Raises:
            BadFit: when the checkpoint is damaged or belongs to other work.
        """
        self._restore()
        optimiser = torch.optim.Adam(list(variables.values()), lr=learning_rate, fused=_fused(variables))
        done = self.steps.get(stage, 0)
        self._load(stage, variables, optimiser, done)
        progress(min(done, steps))
        self._allotted += share * (self.budget or 0.0)
        self._keep(stage, variables, optimiser, done, write=False)
        recent: list[float] = []
        began = saved = time.monotonic()
        spent = self.seconds
        with self._interruptible():
            while done < steps and self.stopped in ("", "budget") and not self._spent():
                optimiser.zero_grad()
                value = loss(done)
                value.backward()
                number = float(value.detach())
                if not math.isfinite(number):
                    self._load(stage, variables, optimiser, self.steps[stage])
                    self._diverged(stage, done, number, learning_rate)
                    break
                optimiser.step()
                done += 1
                recent = [*recent[-49:], number]
                self.losses[stage] = sum(recent) / len(recent)
                progress(1)
                self.detail(f"{stage}, loss {self.losses[stage]:.4f}")
                now = time.monotonic()
                self.seconds = spent + now - began
                if self._interrupted:
                    self.stopped, self.message = "interrupted", f"interrupted at step {done} of the {stage}."
                if now - saved > _EVERY or self._interrupted:
                    self._keep(stage, variables, optimiser, done)
                    saved = time.monotonic()
            if self.stopped != "diverged":
                self._keep(stage, variables, optimiser, done, finished=done >= steps)
        for variable in variables.values():
            variable.grad = None

    def fit(
        self,
        method: str,
        embeds: Mapping[str, Tensor],
        network: Mapping[str, Tensor],
        rank: int,
    ) -> Fit:
        """What the stages left, with what they were for and how far they came."""
        return Fit(
            method, {**self.identity, **self.told}, embeds, network, rank, dict(self.steps), dict(self.losses),
            self.stopped, self.message, self.seconds, self.checkpoint,
        )  # fmt: skip

    def raise_if_unusable(self) -> None:
        """For callers that want the finished thing or nothing.

        Raises:
            RetouchError: when the fit diverged.
            KeyboardInterrupt: when the user interrupted it; the checkpoint holds what was done.
        """
        if self.stopped == "diverged":
            raise RetouchError(self.message)
        if self.stopped == "interrupted":
            raise KeyboardInterrupt

    def _spent(self) -> bool:
        if self.budget is None or self.seconds < self._allotted:
            return False
        self.stopped, self.message = "budget", "the time budget ended the fit early."
        return True

    def _diverged(self, stage: str, done: int, loss: float, learning_rate: float) -> None:
        self.stopped = "diverged"
        self.message = (
            f"the fit of the {stage} diverged: its loss is {loss} at step {done + 1}; the state of step "
            f"{self.steps[stage]} is kept. Lower the learning rate (it is {learning_rate:g})."
        )

    def _keep(
        self,
        stage: str,
        variables: Mapping[str, Tensor],
        optimiser: torch.optim.Adam,
        done: int,
        *,
        finished: bool = False,
        write: bool = True,
    ) -> None:
        self.steps[stage] = done
        for name, variable in variables.items():
            self._kept[f"{stage}/{name}"] = variable.detach().cpu().clone()
            moments = optimiser.state.get(variable, {})
            for moment, value in moments.items():
                if finished:
                    self._kept.pop(f"{stage}/{name}:{moment}", None)
                else:
                    self._kept[f"{stage}/{name}:{moment}"] = value.detach().cpu().clone()
        if self.checkpoint and write:
            state = {"steps": self.steps, "losses": self.losses, "seconds": self.seconds, "identity": self.identity}
            write_tensors(self.checkpoint, self._kept, {"work": json.dumps(state)})

    def _load(self, stage: str, variables: Mapping[str, Tensor], optimiser: torch.optim.Adam, done: int) -> None:
        """Puts what is kept of a stage into its variables and their optimiser."""
        for name, variable in variables.items():
            key = f"{stage}/{name}"
            kept = {part: self._kept[at] for part in _PARTS if (at := f"{key}:{part}" if part else key) in self._kept}
            if done and "" not in kept:
                raise BadFit(self._amiss(f"it lacks {key!r}"))
            for part, value in kept.items():
                if value.shape != (() if part == "step" else variable.shape) or not torch.isfinite(value).all():
                    raise BadFit(self._amiss(f"its {key!r} is not what the work needs"))
            if not kept:
                continue
            with torch.no_grad():
                variable.copy_(kept.pop(""))
            optimiser.state.pop(variable, None)
            if kept and done:
                fused = _fused(variables)
                optimiser.state[variable] = {
                    part: value.clone() if part == "step" and not fused else value.clone().to(variable)
                    for part, value in kept.items()
                }

    def _amiss(self, reason: str) -> str:
        return f"{self.checkpoint} is no checkpoint of this work ({reason}): remove it to begin anew."

    def _restore(self) -> None:
        if self._restored:
            return
        self._restored = True
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        tensors, metadata = read_tensors(self.checkpoint)
        try:
            state = json.loads(metadata["work"])
            identity, seconds = dict(state["identity"]), float(state["seconds"])
            steps = {str(stage): index(count) for stage, count in state["steps"].items()}
            losses = {str(stage): float(loss) for stage, loss in state["losses"].items()}
            if not all(math.isfinite(value) and value >= 0 for value in (seconds, *steps.values())):
                raise ValueError("a number that is none")
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise BadFit(
                f"{self.checkpoint} is no checkpoint of retouch: remove it, or name another output."
            ) from error
        known = json.loads(json.dumps(dict(self.identity)))
        if identity != known:
            other = ", ".join(sorted(key for key in {*identity, *known} if identity.get(key) != known.get(key)))
            raise BadFit(
                f"{self.checkpoint} is the checkpoint of unfinished work that differs in: {other}; remove it to begin "
                "anew, or run the same command as before to go on."
            )
        self.steps, self.losses, self.seconds, self._kept = steps, losses, seconds, tensors

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the work after the step in hand, so that no state is torn; a second one ends all."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(_number: int, _frame: object) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _fused(variables: Mapping[str, Tensor]) -> bool:
    """Whether Adam has a fused kernel for where the variables are."""
    return all(variable.device.type in ("cpu", "cuda") for variable in variables.values())
