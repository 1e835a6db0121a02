"""The ladder climbed: one edit after another, each verified, until one is good enough; the best of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from retouch.auto.verify import Verdict, Verifier
from retouch.backbone.protocol import Backbone
from retouch.backbone.rungs import Rung
from retouch.errors import BadParameter, BadPrompt
from retouch.parts.inversions import Inversions
from retouch.perform import edited
from retouch.request import Request
from retouch.result import EditResult

_SEEDS = 2**63


@dataclass(frozen=True)
class Try:
    """One edit that was tried: what came out and what is made of it, or why nothing did."""

    rung: Rung
    seed: int
    result: EditResult | None = None
    verdict: Verdict | None = None
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was verified."""
        return self.verdict is not None and self.verdict.passed

    @property
    def rank(self) -> tuple[bool, float]:
        """The higher, the better."""
        return self.passed, self.verdict.score if self.verdict else float("-inf")

    def figures(self) -> dict[str, Any]:
        """For the recipe."""
        about = {"method": self.rung.method, "settings": dict(self.rung.settings), "seed": self.seed}
        if self.result is None:
            return {**about, "error": self.error}
        return {**about, "evaluations": self.result.evaluations, **(self.verdict.figures() if self.verdict else {})}


@dataclass(frozen=True)
class Climbed:
    """What was tried, in order, and what all of it cost."""

    tries: Sequence[Try]
    seconds: float
    evaluations: int

    def best(self) -> list[Try]:
        """Those that came to a picture, the best first; of equals the one that was tried first."""
        return sorted((one for one in self.tries if one.result), key=lambda one: one.rank, reverse=True)


def climb(model: Backbone, request: Request, rungs: Sequence[Rung], verify: Verifier | None, least: int = 1) -> Climbed:
    """Tries one rung after the other until one is verified; without a verifier, the first that can be made.

    They share what they can of their inversions.

    Args:
        least: how many pictures to make at least; where the rungs are fewer, with further seeds.

    Raises:
        BadPicture, BadPrompt, BadParameter: when none can be made, why the first could not.
    """
    began, evaluated = time.monotonic(), model.evaluations
    request = replace(request, inversions=request.inversions or Inversions(), clip=None)
    steps, tries, failed = _Steps(request), list[Try](), list[Exception]()
    wanted = rungs if least == 1 else _at_least(least, rungs)
    for number, rung in enumerate(wanted, 1):
        seed = (request.seed + rung.seed) % _SEEDS
        if request.detail:
            request.detail(f"{rung.method}, {number} of {len(wanted)}")
        one = replace(request, method=rung.method, settings=rung.settings, seed=seed, progress=steps.advance)
        try:
            result = edited(model, one)
        except (BadPrompt, BadParameter) as error:  # what one method cannot do another may
            failed.append(error)
            tries.append(Try(rung, seed, error=str(error)))
            continue
        finally:
            steps.end()
        tries.append(Try(rung, seed, result, verify(result.image) if verify else None))
        made = sum(one.result is not None for one in tries)
        if made >= least and (verify is None or any(one.passed for one in tries)):
            break
    if failed and len(failed) == len(tries):
        raise failed[0]
    return Climbed(tries, time.monotonic() - began, model.evaluations - evaluated)


def _at_least(count: int, rungs: Sequence[Rung]) -> list[Rung]:
    """The rungs, and as many again with further seeds as are wanted."""
    step = 1 + max(rung.seed for rung in rungs)
    found = list(rungs)
    while len(found) < count:
        found.append(replace(rungs[len(found) % len(rungs)], seed=found[-len(rungs)].seed + step))
    return found


class _Steps:
    """The steps of all rungs so far, for a caller who wants them added up: the total grows with every rung begun."""

    def __init__(self, request: Request) -> None:
        self._tell, self._before, self._here = request.progress, 0, 0

    def advance(self, done: int, total: int) -> None:
        self._here = done
        if self._tell:
            self._tell(self._before + done, self._before + total)

    def end(self) -> None:
        self._before, self._here = self._before + self._here, 0
