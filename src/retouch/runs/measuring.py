"""The measures of a run's edits, taken in batches and kept, so that each is taken once."""

from __future__ import annotations

import json
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any

import torch
from PIL import Image

from retouch.measures.batch import Batch
from retouch.measures.measure import Measure
from retouch.runs.files import BadRun, alone, append, put_text
from retouch.runs.manifest import Record
from retouch.runs.results import about_measures, measured_lines
from retouch.runs.run import Run
from retouch.suites.suite import BadSuite, Case, Suite

BATCH = 16
"""Pictures that are looked at together."""
_PIXELS = 2**20  # of a batch: SSIM takes some hundred bytes for each
_WAITING = 8 * _PIXELS  # of pictures of many sizes that are kept until a batch of one size is full

Edit = tuple[Record, Case, Image.Image]
Told = Callable[[Record, Mapping[str, float | None]], None]
"""Called with an edit's record and its values."""


def measure(
    run: Run,
    measures: Sequence[Measure],
    *,
    suite: Suite | None = None,
    cases: Iterable[str] | None = None,
    shard: str = "0/1",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Takes what measures are missing of the finished edits, pictures of one size together.

    Args:
        run: with finished edits.
        shard: who measures, as in the file's name.
        measures: with their models in hand, see :func:`retouch.measures.registry.measures_for`.
        suite: says its own verdicts too; None for none.
        cases: the ids to be measured; None for all.
        progress: called with (edits measured, edits to measure).

    Raises:
        BadRun: when the disk does not take it, another process measures the same shard, or as :func:`check_models`.
    """
    about = _say_what(run, measures, suite)
    known = {(row["case"], row["method"], row["seed"]): set(row["values"]) for row in measured_lines(run)}
    chosen = None if cases is None else set(cases)
    left = [
        record
        for record in run.finished().values()
        if not record.error
        and (chosen is None or record.case in chosen)
        and about.keys() - known.get(record.key, set())
    ]
    done = 0
    with run.appending("measures", shard) as file:
        for group, columns in looked_at(grouped(_edits(run, left)), measures, suite):
            _put(group, columns, file)
            done += len(group)
            if progress:
                progress(done, len(left))


@contextmanager
def as_they_come(
    run: Run, measures: Sequence[Measure], *, suite: Suite | None = None, shard: str = "0/1", told: Told | None = None
) -> Iterator[Callable[[Record], None]]:  # fmt: skip
    """Takes measures of edits while a run makes them; who is called with each record that is finished.

    Records wait until a batch is full or a case is done. What is left over at the end is taken too; what a kill leaves
    is for :func:`measure`.

    Args:
        measures, suite, shard: as for :func:`measure`.
        told: called with each record that has been measured, and its values.

    Raises:
        BadRun: as :func:`measure`.
    """
    _say_what(run, measures, suite)
    waiting = list[Record]()
    with run.appending("measures", shard) as file:

        def flush() -> None:
            records, waiting[:] = list(waiting), []
            for group in grouped(_edits(run, records)):
                for record, values in _put(group, values_of(group, measures, suite), file):
                    if told:
                        told(record, values)

        def finished(record: Record) -> None:
            if waiting and (waiting[-1].case != record.case or len(waiting) >= BATCH):
                flush()
            if not record.error:
                waiting.append(record)

        yield finished
        flush()


def _say_what(run: Run, measures: Sequence[Measure], suite: Suite | None) -> dict[str, dict[str, str]]:
    """Writes what the measures are, beside what is there of others."""
    check_models(run, {one.name: one.model for one in measures})
    about = {one.name: one.about() for one in suite.verdicts} if suite else {}  # first: these know the truth
    about |= {one.name: one.about(one.model) for one in measures}
    with alone(run.folder):
        known = about_measures(run)
        if {**known, **about} != known:
            put_text(run.folder / "measures" / "about.json", json.dumps({**known, **about}, indent=1))
    return about


def _put(
    group: Sequence[Edit], columns: Mapping[str, Sequence[float]], file: IO[bytes]
) -> list[tuple[Record, dict[str, float | None]]]:  # fmt: skip
    """Writes the values of a batch, and gives them by record."""
    found = []
    for i, (record, _, _) in enumerate(group):
        own = {name: number(column[i]) for name, column in columns.items()}
        append(file, {"case": record.case, "method": record.method, "seed": record.seed, "values": own})
        found.append((record, own))
    return found


def check_models(run: Run, models: Mapping[str, str]) -> None:
    """Refuses to measure with another model than what is measured already.

    Args:
        models: by measure, as :attr:`retouch.measures.measure.Measure.model`.

    Raises:
        BadRun: where the values would not compare.
    """
    known = about_measures(run)
    for name, model in models.items():
        before = known.get(name, {}).get("model", "")
        if model and before and model.rpartition(" ")[2] != before.rpartition(" ")[2]:  # whatever it is called
            raise BadRun(
                f"the run {str(run.folder)!r} has {name} by {before}, and this is {model}: measure with that one "
                "(--clip, --dino), or name another folder."
            )


def _edits(run: Run, records: Sequence[Record]) -> Iterator[Edit]:
    name, case = "", None
    for record in records:
        if record.case != name:
            name, case = record.case, run.case(record.case)
        if case is not None:
            yield record, case, run.edit(record)


def grouped(edits: Iterable[Edit]) -> Iterator[list[Edit]]:
    """Records with their cases and pictures, in groups that fit one batch; few pictures are open at a time."""
    waiting: dict[Any, list[Edit]] = defaultdict(list)
    pixels = 0
    for record, case, image in edits:
        group, size = waiting[case.picture.size, case.mask is None], case.picture.width * case.picture.height
        group.append((record, case, image))
        pixels += size
        if pixels > _WAITING:
            group = max(waiting.values(), key=lambda one: sum(image.width * image.height for *_, image in one))
        if pixels > _WAITING or len(group) >= max(1, min(BATCH, _PIXELS // size)):
            pixels -= sum(image.width * image.height for *_, image in group)
            yield list(group)
            group.clear()
    yield from (group for group in waiting.values() if group)


def looked_at(
    groups: Iterator[list[Edit]], measures: Sequence[Measure], suite: Suite | None = None
) -> Iterator[tuple[list[Edit], Mapping[str, Sequence[float]]]]:  # fmt: skip
    """The groups in their order, each with what :func:`values_of` gives of it.

    Where no network looks at them, as many groups are looked at at once as torch has threads, each on one: what shares
    out single operations spends its time waiting. While a network looks at one group, the next is read.
    """
    threads = torch.get_num_threads()
    if threads == 1 or any(one.network for one in measures) or (suite is not None and suite.verdicts):
        for group in _ahead(groups):
            yield group, values_of(group, measures, suite)
        return
    waiting = deque[tuple[list[Edit], Future[dict[str, Sequence[float]]]]]()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for group in groups:
                waiting.append((group, pool.submit(values_of, group, measures, suite)))
                if len(waiting) > threads:
                    first, values = waiting.popleft()
                    yield first, values.result()
            for group, values in waiting:
                yield group, values.result()
    finally:
        torch.set_num_threads(threads)  # which threads to come would take from the last that said it


def _ahead(groups: Iterator[list[Edit]]) -> Iterator[list[Edit]]:
    """The same groups; while one is looked at the next is read."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, groups, None)
        while (group := coming.result()) is not None:
            coming = reader.submit(next, groups, None)
            yield group


def values_of(group: Sequence[Edit], measures: Sequence[Measure], suite: Suite | None) -> dict[str, Sequence[float]]:
    """What the measures, and the suite itself, say of each edit of a group."""
    batch = Batch.from_images(
        [case.picture for _, case, _ in group], [image for *_, image in group],
        [case.entry.target for _, case, _ in group], [case.entry.source for _, case, _ in group],
        [case.mask for _, case, _ in group],
    )  # fmt: skip
    values: dict[str, Sequence[float]] = {one.name: one.take(batch).tolist() for one in measures}
    if suite is not None and suite.verdicts:
        judged = suite.judge([case for _, case, _ in group], [image for *_, image in group])
        for one in suite.verdicts:
            if len(judged.get(one.name, ())) != len(group):
                raise BadSuite(f"the suite {suite.name} does not say {one.name} of each of {len(group)} edits.")
            values[one.name] = judged[one.name]
    return values


def number(value: float) -> float | None:
    """JSON has neither NaN nor infinity; what is infinite is no figure."""
    return value if math.isfinite(value) else None
