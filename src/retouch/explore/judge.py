"""Anybody's edits, judged: folders of results beside the pictures they were made of, what follows and what is kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from retouch.errors import BadParameter
from retouch.explore.judged import FOLLOWS, Judged, Pair
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.registry import chosen, every, loaded
from retouch.picture import Note, notes_of, summed
from retouch.runs.bench import begin
from retouch.runs.manifest import Record
from retouch.runs.measuring import Edit, grouped, looked_at
from retouch.runs.outputs import take_outputs
from retouch.runs.paired import edit_of, paired
from retouch.runs.results import about_measures, measured_lines
from retouch.runs.take import Measuring
from retouch.suites.before_after import BeforeAfter

Path_ = str | os.PathLike[str]
_Found = Mapping[str, Mapping[str, Path]]


def judge_edits(
    before: Path_,
    after: Mapping[str, Path_],
    *,
    targets: Path_ = "",
    steps: int = 1,
    folder: Path_ | None = None,
    measures: Sequence[str] = ("default",),
    clip: str | None = None,
    dino: str | None = None,
    resize: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Measures edits that anybody made, by any means: whether they follow what was asked, and keep the rest.

    Pictures and edits go together by name; endings may differ. Nothing is edited, and no diffusion model is loaded.

    Args:
        before: the folder of the pictures as they were.
        after: by label, folders of their edits: of every picture one, of its size.
        targets, steps: as for :class:`retouch.suites.before_after.BeforeAfter`.
        folder: of a run of that suite to be made, or gone on with, which ``retouch report`` reads; None for none: then
            pictures are measured as they are read, which takes half the time.
        measures: names and groups, as ``retouch measures`` lists them.
        clip: the CLIP model of the measures that compare with texts; None for none: then those are left out.
        dino: the vision transformer of the structure distance.
        resize: edits of other sizes are scaled to their picture's, where they are refused otherwise.
        say: is told what is left out and why, and what was done to pictures on the way in: each kind of thing once.
        progress: called with (edits measured, edits to measure).

    Raises:
        BadSuite, BadPicture: for a folder without pictures, names that do not pair, sizes that differ, a damaged
            picture, or a table that does not fit; before anything is written.
        BadParameter: for no edits, an unknown measure, or where none of them can be taken.
        BadRun: for a folder that holds something else.

    Example:
        >>> judged = judge_edits("before", {"theirs": "after"}, targets="targets.csv", clip="diorama")
        >>> judged.mean("theirs", "untouched")
    """
    if not after:
        raise BadParameter("there is nothing to judge: name at least one folder of edits.")
    suite = BeforeAfter(before, targets, steps)
    found = {label: paired(suite, Path(place), label) for label, place in after.items()}
    names, notes = _measurable(measures, suite, clip)
    if folder is None:
        able, about = _loaded(names, Models(clip, dino), notes)
        judged, seen = _measured(suite, found, able, about, resize, progress)
        for sentence in (*notes, *summed(seen)):
            say(sentence)
        return judged
    return _in_a_run(
        Path(folder), suite, found, Measuring(names, suite, Models(clip, dino)), notes, resize, say, progress
    )


def _measurable(measures: Sequence[str], suite: BeforeAfter, clip: str | None) -> tuple[list[str], list[str]]:
    """The measures without those that have no texts or masks to go by, and what there is to say of both."""
    single, sets = chosen(measures)
    told, notes = sum(bool(entry.target) for entry in suite.entries), list(suite.notes)
    if not any("mask" in entry.files for entry in suite.entries):
        lost = [one.name for one in single if one.masked and one.name in measures]
        single = [one for one in single if not one.masked]
        notes += [f"{', '.join(lost)}: left out, as no picture has a mask (--targets)."] if lost else []
    if not clip or not told:
        kept = [one for one in single if not one.name.startswith(FOLLOWS)]
        reason = "no CLIP model is named (--clip)" if told else "nothing says what the edits should show (--targets)"
        notes += [f"{' and '.join(FOLLOWS)}: left out, as {reason}."] if len(kept) < len(single) else []
        single = kept
    elif told < len(suite.entries):
        silent = len(suite.entries) - told
        have = "picture has" if silent == 1 else "pictures have"
        notes.append(f"{silent} {have} no target: CLIP says nothing of these edits, and its means are of the others.")
    return [one.name for one in (*single, *sets)], notes


def _loaded(
    names: Sequence[str], models: Models, notes: list[str]
) -> tuple[list[Measure], Mapping[str, Mapping[str, str]]]:
    """Measures with their models in hand, and what they are."""
    single, sets = chosen(names)
    if sets:
        raise BadParameter(f"{sets[0].name} is of all edits together, which a run keeps: name a folder with -o.")
    able, lacking = loaded(single, models)
    models.check_named(one.needs for one in single)
    notes += [f"{name} is left out: {reason}" for name, reason in lacking]
    _check_some(not able, notes)
    return able, {one.name: one.about(one.model) for one in able}


def _check_some(none: bool, notes: Sequence[str]) -> None:
    """Refuses to judge by nothing."""
    if none:
        raise BadParameter(notes[0] if notes else "there is nothing to measure by: name a measure with --measures.")


def _measured(
    suite: BeforeAfter, found: _Found, measures: Sequence[Measure], about: Mapping[str, Mapping[str, str]],
    resize: bool, progress: Callable[[int, int], None] | None,
) -> tuple[Judged, list[Note]]:  # fmt: skip
    """Straight from the files: every picture is read once, and nothing is written. With what was done to them."""
    seen = list[Note]()

    def edits() -> Iterator[Edit]:
        for entry in suite.entries:
            case = suite.case(entry)
            seen.extend(case.notes)
            for label, pictures in found.items():
                edit = edit_of(case, pictures[entry.id], resize=resize)
                seen.extend(notes_of(edit))
                yield Record(entry.id, entry.kind, label, 0, None, None), case, edit.image

    values: dict[tuple[str, str], dict[str, float]] = {}
    for group, taken in looked_at(grouped(edits()), measures):
        for i, (record, _, _) in enumerate(group):
            values[record.case, record.method] = {name: column[i] for name, column in taken.items()}
        if progress:
            progress(len(values), len(suite.entries) * len(found))
    return _judged(suite, found, about, values), seen


def _in_a_run(
    folder: Path, suite: BeforeAfter, found: _Found, measuring: Measuring, notes: list[str], resize: bool,
    say: Callable[[str], None], progress: Callable[[int, int], None] | None,
) -> Judged:  # fmt: skip
    """Pictures, edits and values kept as a run, or what is missing of them added to one."""
    seen = list[Note]()
    for entry in suite.entries:  # what is wrong is found before anything is written
        case = suite.case(entry)
        seen += case.notes
        for pictures in found.values():
            seen += notes_of(edit_of(case, pictures[entry.id], resize=resize))
    measuring.load(folder, notes.append)
    _check_some(measuring.none, notes)
    for sentence in (*notes, *summed(seen)):
        say(sentence)
    run = begin(folder, suite, None, {}, others=list(found))
    for label, pictures in found.items():
        take_outputs(run, suite, label, pictures)
    measuring.take(run, [entry.id for entry in suite.entries], "0/1", say, progress)
    values = {(row["case"], row["method"]): row["values"] for row in measured_lines(run)}
    about = {name: one for name, one in about_measures(run).items() if isinstance(every().get(name), Measure)}
    return _judged(suite, found, about, values)


def _judged(
    suite: BeforeAfter, found: _Found, about: Mapping[str, Mapping[str, str]],
    values: Mapping[tuple[str, str], Mapping[str, float | None]],
) -> Judged:  # fmt: skip

    def of(name: str, label: str) -> dict[str, float]:
        own = values.get((name, label), {})
        return {one: math.nan if (value := own.get(one)) is None else value for one in about}

    pairs = [Pair(entry.id, label, of(entry.id, label), entry.step) for label in found for entry in suite.entries]
    return Judged(about, pairs, all("mask" in entry.files for entry in suite.entries))
