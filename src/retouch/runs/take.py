"""The measures that a run asks for: their models are loaded before the work begins, and used while it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from retouch.errors import BadModel
from retouch.measures.measure import SetMeasure
from retouch.measures.models import Models, called
from retouch.measures.registry import chosen, loaded
from retouch.runs.manifest import Record
from retouch.runs.measuring import Told, as_they_come, check_models, measure
from retouch.runs.results import MissingExtra, outdated_sets, write_results
from retouch.runs.run import Run
from retouch.runs.sets import measure_sets
from retouch.suites.suite import BadSuite, Suite


class Measuring:
    """Measures of single edits and of sets, and what the suite says itself.

    Args:
        names: of measures and groups, see :func:`retouch.measures.registry.chosen`.

    Raises:
        BadParameter: for a name of no measure.
        BadSuite: when the suite says of edits what goes by the name of a measure.
    """

    def __init__(self, names: Sequence[str], suite: Suite, models: Models) -> None:
        self._single, self._sets = chosen(names)
        self._suite, self._models = suite, models
        taken = {one.name for one in (*self._single, *self._sets)}
        for verdict in suite.verdicts:
            if verdict.name in taken:
                raise BadSuite(f"{verdict.name} is a measure and a verdict of {suite.name}: name other measures.")

    def load(self, folder: Path, say: Callable[[str], None]) -> None:
        """Loads the models, before anything is written; a measure that cannot be taken here is said, and left out.

        Raises:
            BadRun: when the folder holds a run that has values by other models, as
                :func:`retouch.runs.measuring.check_models`.
        """
        self._single, lacking = loaded(self._single, self._models)
        models, able = {one.name: one.model for one in self._single}, list[SetMeasure]()
        for one in self._sets:
            try:
                models[one.name] = called(self._models.get(one.needs))
                able.append(one)
            except BadModel as error:
                lacking.append((one.name, str(error)))
        self._sets = able
        for name, reason in lacking:
            say(f"{name} is left out: {reason}")
        if os.path.isfile(folder / "run.json"):  # Path.is_file raises for a name that is too long
            check_models(Run.open(folder), models)

    @property
    def names(self) -> list[str]:
        """Of the measures of single edits, the suite's verdicts first."""
        return [one.name for one in (*self._suite.verdicts, *self._single)]

    def as_they_come(
        self, run: Run, shard: str, told: Told | None = None
    ) -> AbstractContextManager[Callable[[Record], None]]:  # fmt: skip
        """Takes the measures of single edits while they are made, see :func:`retouch.runs.measuring.as_they_come`."""
        return as_they_come(run, self._single, suite=self._suite, shard=shard, told=told)

    def take(
        self, run: Run, cases: Iterable[str], shard: str, say: Callable[[str], None],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:  # fmt: skip
        """Takes what is missing, and writes the run's table; what cannot be done is said.

        Raises:
            BadRun: as :func:`retouch.runs.measuring.measure`; the table is written all the same.
        """
        try:
            measure(run, self._single, suite=self._suite, cases=cases, shard=shard, progress=progress)
            for sentence in measure_sets(run, [one.name for one in self._sets], self._models) if self._sets else ():
                say(sentence)
            if old := outdated_sets(run):
                say(
                    f"{', '.join(old)}: taken before edits were added, and left out of reports until --measures asks "
                    "again."
                )
        finally:
            try:
                write_results(run)
            except MissingExtra as error:
                say(f"no results.parquet: {error}")
