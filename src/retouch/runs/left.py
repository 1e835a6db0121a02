"""What is left to do of a run; edits in a row are made each on the result of the one before, from the last there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from retouch.runs.edits import Pair, Work
from retouch.runs.manifest import Record
from retouch.runs.run import Run
from retouch.suites.suite import Entry

_Finished = Mapping[tuple[str, str, int], Record]


def works_left(
    run: Run,
    chains: Iterable[Sequence[Entry]],
    pairs: Sequence[Pair],
    finished: _Finished,
    work_of: Callable[[Entry], Work],
) -> Iterator[Work]:
    """What is left to do: a work for each entry, and of a chain one for each method and seed.

    Args:
        chains: as :func:`retouch.suites.suite.chains_of`.
        finished: the records that count, by key.
        work_of: the work of one entry, of nothing yet.
    """
    for chain in chains:
        if chain[0].chain:
            yield from _of_chain(run, chain, pairs, finished, work_of)
        elif left := [pair for pair in pairs if (chain[0].id, *pair) not in finished]:
            yield replace(work_of(chain[0]), wanted=left)


def _of_chain(
    run: Run, chain: Sequence[Entry], pairs: Sequence[Pair], finished: _Finished, work_of: Callable[[Entry], Work]
) -> Iterator[Work]:
    """From the first edit that is not there to the end.

    It begins on the picture of the edit before, as it is on the disk, which is the very one that came out.
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
