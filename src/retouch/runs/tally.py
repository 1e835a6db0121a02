"""How far a run is, method by method, while it goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from retouch.measures.registry import every
from retouch.quantity import Quantity, shown
from retouch.runs.manifest import Record
from retouch.runs.results import measured_lines
from retouch.runs.run import Run
from retouch.suites.suite import Suite

Key = tuple[str, str, int]


class Tally:
    """Edits, failures, the suite's main measure and seconds of every method; begun with what a run has of them.

    Args:
        labels: the methods that are tallied.
        cases: the ids of the cases, ``seeds``: those of each: what a command asks for, of a run that may have more.
        measures: the names of those that are taken, of which one may be the main one.
    """

    def __init__(
        self, run: Run, suite: Suite, labels: Sequence[str], cases: Collection[str], seeds: Sequence[int],
        measures: Sequence[str],
    ) -> None:  # fmt: skip
        known: dict[str, Quantity] = {**every(), **{one.name: one for one in suite.verdicts}}
        main = next((name for name in suite.main if name in measures), next(iter(measures), ""))
        self.main, self._wanted = known.get(main), len(cases) * len(seeds)
        self._cases, self._seeds = frozenset(cases), frozenset(seeds)
        self._failed, self._seconds, self._main = ({label: _Values() for label in labels} for _ in range(3))
        for record in run.finished().values():
            self.finished(record)
        for row in measured_lines(run):
            self._measured((row["case"], row["method"], row["seed"]), row["values"])

    def finished(self, record: Record) -> None:
        """One edit more, or one that failed made again."""
        if self._counts(record.key):
            self._failed[record.method].put(record.key, float(bool(record.error)))
            self._seconds[record.method].put(record.key, None if record.error else record.seconds)

    def measured(self, record: Record, values: Mapping[str, float | None]) -> None:
        """The values of one edit more."""
        self._measured(record.key, values)

    def _measured(self, key: Key, values: Mapping[str, float | None]) -> None:
        if self.main is not None and self._counts(key):
            self._main[key[1]].put(key, values.get(self.main.name))

    def _counts(self, key: Key) -> bool:
        case, label, seed = key
        return label in self._failed and case in self._cases and seed in self._seeds

    @property
    def headings(self) -> list[str]:
        """Of the columns of :meth:`rows`."""
        main = self.main
        titles = [f"{main.title} ({main.unit})" if main.unit else main.title] if main else []
        return ["method", "edits", "failed", *titles, "seconds"]

    def rows(self) -> list[list[str]]:
        """A row for each method."""
        return [
            [
                label, f"{len(failed)} of {self._wanted}", f"{failed.total:.0f}" if failed.total else "",
                *([shown(self._main[label].mean, self.main.unit, 2)] if self.main else []),
                shown(self._seconds[label].mean, "", 2),
            ]
            for label, failed in self._failed.items()
        ]  # fmt: skip


class _Values:
    """A value for each edit, None for none, and their mean; of an edit that is told again the last one counts."""

    def __init__(self) -> None:
        self._of = dict[Key, float | None]()
        self._count, self.total = 0, 0.0

    def __len__(self) -> int:
        return len(self._of)

    def put(self, key: Key, value: float | None) -> None:
        before = self._of.get(key)
        for sign, one in ((-1, before), (1, value)):
            if one is not None:
                self._count, self.total = self._count + sign, self.total + sign * one
        self._of[key] = value

    @property
    def mean(self) -> float:
        return self.total / self._count if self._count else float("nan")
