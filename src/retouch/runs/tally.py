"""How far a run is, method by method, while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouch.measures.registry import every
from retouch.quantity import Quantity, shown
from retouch.runs.manifest import Record
from retouch.runs.results import measured_lines
from retouch.runs.run import Run
from retouch.suites.suite import Suite


@dataclass
class _Sum:
    count: int = 0
    total: float = 0.0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count, self.total = self.count + 1, self.total + value

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else float("nan")


class Tally:
    """Edits, failures, the suite's main measure and seconds of every method; begun with what a run has.

    Args:
        labels: the methods that are tallied.
        wanted: how many edits each is of.
        measures: the names of those that are taken, of which one may be the main one.
    """

    def __init__(self, run: Run, suite: Suite, labels: Sequence[str], wanted: int, measures: Sequence[str]) -> None:
        known: dict[str, Quantity] = {**every(), **{one.name: one for one in suite.verdicts}}
        main = next((name for name in suite.main if name in measures), next(iter(measures), ""))
        self.main, self._wanted = known.get(main), wanted
        self._done, self._failed = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
        self._seconds, self._main = ({label: _Sum() for label in labels} for _ in range(2))
        for record in run.finished().values():
            self.finished(record)
        for row in measured_lines(run):
            self._measured(row["method"], row["values"])

    def finished(self, record: Record) -> None:
        """One edit more."""
        if record.method in self._done:
            self._done[record.method] += 1
            self._failed[record.method] += bool(record.error)
            self._seconds[record.method].add(None if record.error else record.seconds)

    def measured(self, record: Record, values: Mapping[str, float | None]) -> None:
        """The values of one edit more."""
        self._measured(record.method, values)

    def _measured(self, label: str, values: Mapping[str, float | None]) -> None:
        if self.main is not None and label in self._main:
            self._main[label].add(values.get(self.main.name))

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
                label, f"{done} of {self._wanted}", str(self._failed[label] or ""),
                *([shown(self._main[label].mean, self.main.unit, 2)] if self.main else []),
                shown(self._seconds[label].mean, "", 2),
            ]
            for label, done in self._done.items()
        ]  # fmt: skip
