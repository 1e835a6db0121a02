"""Edits in a row: each is made on the result of the one before it, from wherever a kill left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from retouch.runs.edits import Pair, Work
from retouch.runs.manifest import Record
from retouch.runs.run import Run
from retouch.suites.suite import Entry


def rows_left(
    run: Run,
    chain: Sequence[Entry],
    pairs: Sequence[Pair],
    finished: Mapping[tuple[str, str, int], Record],
    work_of: Callable[[Entry], Work],
) -> Iterator[Work]:
    """What is left to do of a chain, a work for each method and seed: from the first edit that is not there to the end.

    It begins on the picture of the edit before, as it is on the disk, which is the very one that came out.

    Args:
        chain: the entries in order.
        finished: the records that count, by key.
        work_of: the work of one entry, of nothing yet.
    """
    works: list[Work] = []
    for pair in pairs:
        first = next((i for i, entry in enumerate(chain) if (entry.id, *pair) not in finished), len(chain))
        if first == len(chain):
            continue
        while first and finished[(chain[first - 1].id, *pair)].error:
            first -= 1  # there is no picture to go on from
        works = works or [work_of(entry) for entry in chain]
        own = [replace(work, wanted=[pair]) for work in works[first:]]
        if first:
            picture = run.edit(finished[(chain[first - 1].id, *pair)])
            own[0] = replace(own[0], case=replace(own[0].case, picture=picture))
        yield replace(own[0], then=own[1:])
