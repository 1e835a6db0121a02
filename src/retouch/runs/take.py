"""The measures that a run asks for: their models are loaded before the work begins, and used while it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from retouch.errors import BadModel, BadPicture
from retouch.measures.measure import Measure, SetMeasure
from retouch.measures.models import Models, called
from retouch.measures.registry import chosen, loaded
from retouch.runs.manifest import Record
from retouch.runs.measuring import Told, as_they_come, check_models, measure
from retouch.runs.parquet import check_table, write_results
from retouch.runs.results import MissingExtra, outdated_sets
from retouch.runs.run import Run
from retouch.runs.sets import measure_sets
from retouch.suites.suite import BadSuite, Entry, Suite


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
        self._suite, self._models, self._named = suite, models, frozenset(names)
        taken = {one.name for one in (*self._single, *self._sets)}
        for verdict in suite.verdicts:
            if verdict.name in taken:
                raise BadSuite(f"{verdict.name} is a measure and a verdict of {suite.name}: name other measures.")

    @property
    def none(self) -> bool:
        """Whether there is nothing to be taken: no measure, and the suite says nothing itself."""
        return not (self._single or self._sets or self._suite.verdicts)

    def load(self, folder: Path, say: Callable[[str], None]) -> None:
        """Loads the models, before anything is written; a measure that cannot be taken here is said, and left out.

        So is one that is asked for by name, is of a mask's part, and has no mask in all of the suite; and what keeps
        the run's table from being written.

        Raises:
            BadModel: where a model that was named cannot be had.
            BadRun: when the folder holds a run that has values by other models, as
                :func:`retouch.runs.measuring.check_models`.
        """
        loads = [*(one.needs for one in self._single), *(one.needs for one in self._sets)]
        self._single, lacking = loaded(self._single, self._models)
        models, able = {one.name: one.model for one in self._single}, list[SetMeasure]()
        for one in self._sets:
            try:
                models[one.name] = called(self._models.get(one.needs))
                able.append(one)
            except BadModel as error:
                lacking.append((one.name, str(error)))
        self._models.check_named(loads)
        self._sets = able
        for name, reason in (*lacking, *self._without_masks()):
            say(f"{name} is left out: {reason}")
        try:
            check_table()
        except MissingExtra as error:
            say(f"there will be no Parquet table: {error}")
        if os.path.isfile(folder / "run.json"):  # Path.is_file raises for a name that is too long
            check_models(Run.open(folder), models)

    def _without_masks(self) -> list[tuple[str, str]]:
        """Takes out what is of a mask's part where there is no mask, if it was asked for by its own name."""
        asked: list[Measure | SetMeasure] = [*self._single, *self._sets]
        of_part = [one for one in asked if one.name in self._named and _of_part(one)]
        if not of_part or any(self._has_mask(entry) for entry in self._suite.entries):
            return []
        self._single = [one for one in self._single if one not in of_part]
        self._sets = [one for one in self._sets if one not in of_part]
        return [(one.name, "no case of the suite has a mask.") for one in of_part]

    def _has_mask(self, entry: Entry) -> bool:
        with suppress(BadPicture, BadSuite):  # such a case is skipped
            return self._suite.case(entry).mask is not None
        return False

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
            with suppress(MissingExtra):  # as was said
                write_results(run)


def _of_part(one: Measure | SetMeasure) -> bool:
    return one.masked if isinstance(one, Measure) else bool(one.region)
