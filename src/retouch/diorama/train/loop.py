"""What every training stage does around its own batch and loss: schedule, average, checkpoints, progress."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from retouch.diorama.train import checkpoint
from retouch.diorama.train.optimiser import MuonAdamW
from retouch.diorama.train.recipe import plain

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The part of a recipe that all stages share.

    The learning rate rises linearly over ``warmup`` steps, stays, and falls along a half cosine to 1 % over the last
    fraction ``decay`` of the steps ("warm-up, stable, decay"). ``ema`` is the averaged weights' decay per step,
    ``clip_gradient`` the gradient's greatest norm (0: any). ``save_every``, ``show_every`` and ``measure_every`` are
    seconds.
    """

    steps: int
    seed: int = 0
    warmup: int = 100
    decay: float = 0.4
    ema: float = 0.998
    lr_muon: float = 0.015
    lr_adamw: float = 1e-3
    weight_decay: float = 0.0
    clip_gradient: float = 0.0
    save_every: float = 120.0
    show_every: float = 60.0
    measure_every: float = 300.0

    def factor(self, step: int) -> float:
        """The learning rate at ``step`` as a fraction of its peak."""
        rise = min(1.0, (step + 1) / self.warmup)
        falling = (step / self.steps - (1 - self.decay)) / self.decay if self.decay else 0.0
        return rise * (1.0 if falling <= 0 else max(0.01, 0.5 * (1 + math.cos(math.pi * falling))))


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed(where: torch.device) -> torch.autocast:
    """bfloat16 arithmetic on a GPU; float32 on a CPU, where it is faster unless that has matrix units."""
    return torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda")


def generator(where: torch.device, *numbers: int) -> torch.Generator:
    """Random numbers that depend on ``numbers`` only: a step's batch is the same whatever ran before it."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])  # 32 bits: all that the CPU's generator reads
    return torch.Generator(where).manual_seed(seed)


def replaced(folder: Path, *, by: Path) -> Path:
    """Puts the finished folder ``by`` in the place of ``folder``; what was there moves to ``folder.before``."""
    if folder.exists():
        before = folder.with_name(f"{folder.name}.before")
        shutil.rmtree(before, ignore_errors=True)
        os.replace(folder, before)
    os.replace(by, folder)
    return folder


class Loop:
    """Iterates over the steps still to do; the body computes a loss and hands it to :meth:`learn`.

    Args:
        network: trained in place; parameters without gradients are left alone.
        recipe: kept in the checkpoint.
        path: the checkpoint, taken up if it is there.
        report: receives the progress lines.
        measure: held-out figures of the averaged weights, now and then; must not use the global random state.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Steps,
        path: Path,
        report: Report,
        measure: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        self.network, self.recipe, self.path, self.report, self.measure = network, recipe, path, report, measure
        self.optimiser = MuonAdamW(network.named_parameters(), recipe.lr_muon, recipe.lr_adamw, recipe.weight_decay)
        self.named = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.parameters: list[Tensor] = list(self.named.values())
        self.average = [p.detach().clone() for p in self.parameters]
        self.step, self.shown, self.name = 0, dict[str, float](), path.name.partition(".")[0]
        if path.exists():
            groups, self.step = checkpoint.load(path, plain(recipe))
            with torch.no_grad():
                for (name, p), mean in zip(self.named.items(), self.average, strict=True):
                    p.copy_(groups["model"][name])
                    mean.copy_(groups["ema"][name])
            self.optimiser.load(groups["opt"])
            report(f"{self.name}: going on from step {self.step}")

    def __iter__(self) -> Iterator[int]:
        began = saved = shown = measured = time.monotonic()
        first = self.step
        while self.step < self.recipe.steps:
            yield self.step
            now = time.monotonic()
            if now - shown > self.recipe.show_every:
                shown, pace = now, (now - began) / (self.step - first)
                self.report(self._line(now - began, pace))
            if self.measure and now - measured > self.recipe.measure_every:
                self.report(f"{self.name}: held out: {self.figures()}")
                measured = time.monotonic()
            if now - saved > self.recipe.save_every:
                self.save()
                saved = now
        if self.step > first:
            self.save()
        self.report(f"{self.name}: {self.step} steps, {time.monotonic() - began:.0f} s; held out: {self.figures()}")

    def learn(self, loss: Tensor, **shown: Tensor | float) -> None:
        """One optimiser step down ``loss``; ``shown`` goes into the progress lines as running means."""
        loss.backward()
        if self.recipe.clip_gradient:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_gradient)
        self.optimiser.step(self.recipe.factor(self.step))
        self.network.zero_grad(set_to_none=True)
        self.step += 1
        with torch.no_grad():  # a young average forgets faster
            decay = min(self.recipe.ema, self.step / (self.step + 10))
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        if self.step % 5 == 1:  # reading a number waits for a GPU
            for name, value in {"loss": loss, **shown}.items():
                number = float(value.detach()) if isinstance(value, Tensor) else value
                self.shown[name] = number if name not in self.shown else 0.9 * self.shown[name] + 0.1 * number

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with its averaged weights, in eval mode, without gradients; afterwards as it was."""
        kept = [p.detach().clone() for p in self.parameters]
        training = self.network.training
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average)
            try:
                yield self.network.eval()
            finally:
                torch._foreach_copy_(self.parameters, kept)
                self.network.train(training)

    def figures(self) -> str:
        """The held-out figures of the averaged weights, as a line."""
        if self.measure is None:
            return "not measured"
        with self.averaged():
            return ", ".join(f"{name} {value:.4g}" for name, value in self.measure().items())

    def save(self) -> None:
        """Writes the checkpoint."""
        groups: dict[str, dict[str, Tensor]] = {
            "model": {**self.named},
            "ema": dict(zip(self.named, self.average, strict=True)),
            "opt": self.optimiser.state(),
        }
        checkpoint.save(self.path, groups, self.step, plain(self.recipe))

    def _line(self, seconds: float, pace: float) -> str:
        losses = " ".join(f"{name} {value:.4f}" for name, value in self.shown.items())
        left = pace * (self.recipe.steps - self.step) / 60
        return (
            f"{self.name}: {seconds:.0f} s  step {self.step}/{self.recipe.steps}  {pace:.3f} s/step  "
            f"lr {self.recipe.factor(self.step):.2f}  {losses}  {left:.0f} min left"
        )
