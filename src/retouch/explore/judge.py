"""Anybody's edits, judged: folders of results beside the pictures they were made of, what follows and what is kept."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from retouch.errors import BadParameter
from retouch.measures.measure import Measure
from retouch.measures.models import Models
from retouch.measures.registry import chosen, every, loaded
from retouch.quantity import shown
from retouch.runs.bench import begin
from retouch.runs.manifest import Record
from retouch.runs.measuring import Edit, ahead, grouped, values_of
from retouch.runs.outputs import take_outputs
from retouch.runs.paired import edit_of, paired
from retouch.runs.results import about_measures, measured_lines
from retouch.runs.take import Measuring
from retouch.suites.before_after import BeforeAfter

FOLLOWS = ("directional_similarity", "clip_score")
"""What tells whether an edit shows what was asked: where there are target texts, and a CLIP model is named."""
KEEPS = ("untouched", "shift", "tone_drift", "sharpness", "psnr", "ssim")
"""What tells how little else was changed: outside the masks where there are masks, else of whole pictures."""

_OUTSIDE = ".outside"
_DECIMALS = {"directional_similarity": 3, "ssim": 3, "shift": 2, "sharpness": 2}

Path_ = str | os.PathLike[str]
_Found = Mapping[str, Mapping[str, Path]]


@dataclass(frozen=True)
class Pair:
    """What was measured of one edit: NaN where a measure says nothing.

    Attributes:
        name: the picture's, or the step's.
        method: the label of the folder that it is from.
        step: which of its picture's edits in a row it is, from 1; 0 for one by itself.
    """

    name: str
    method: str
    values: Mapping[str, float]
    step: int = 0


@dataclass(frozen=True)
class Judged:
    """Edits and what was measured of them.

    Attributes:
        about: what the measures are, by name, as :func:`retouch.runs.results.about_measures`.
        pairs: by method, then by name.
        masked: whether every picture has a mask, so that what is kept is told outside of it.
    """

    about: Mapping[str, Mapping[str, str]]
    pairs: Sequence[Pair]
    masked: bool = False

    @property
    def methods(self) -> list[str]:
        """The labels."""
        return list(dict.fromkeys(pair.method for pair in self.pairs))

    def of(self, method: str, step: int | None = None) -> list[Pair]:
        """The edits of a method; of one step alone where one is named."""
        return [pair for pair in self.pairs if pair.method == method and step in (None, pair.step)]

    def mean(self, method: str, measure: str, step: int | None = None) -> float:
        """Over the edits of a method, or of one step of it, that have a value; NaN where none has."""
        there = [pair.values[measure] for pair in self.of(method, step) if not math.isnan(pair.values[measure])]
        return fmean(there) if there else math.nan

    @property
    def columns(self) -> list[str]:
        """The measures of the table: of following, then of keeping, then those that were asked for by name."""
        there = [name for name in self.about if any(not math.isnan(pair.values[name]) for pair in self.pairs)]
        pairs = [name for base in KEEPS for name in self._kept(base) if name in there]
        usual = {one.name for one in chosen(["default"])[0]}
        return [*(name for name in FOLLOWS if name in there), *pairs, *(name for name in there if name not in usual)]

    def _kept(self, base: str) -> list[str]:
        """Of whole pictures; outside the masks where every picture has one; both where some have."""
        return [base + _OUTSIDE] if self.masked else [base, base + _OUTSIDE]

    @property
    def headings(self) -> list[str]:
        """Of :attr:`rows`."""
        cut = _OUTSIDE if self.masked else " "
        units = [(name.removesuffix(cut), self.about[name].get("unit", "")) for name in self.columns]
        after = ["after"] if any(pair.step for pair in self.pairs) else []
        return ["edits of", *after, "count", *(f"{name} ({unit})" if unit else name for name, unit in units)]

    @property
    def rows(self) -> list[list[str]]:
        """The table as text: a method's label, after how many edits in a row, the number of edits, and their means."""
        groups = dict.fromkeys((pair.method, pair.step) for pair in self.pairs)
        return [
            [method, *([str(step)] if step else []), str(len(self.of(method, step))), *self._means(method, step)]
            for method, step in sorted(groups, key=lambda group: (self.methods.index(group[0]), group[1]))
        ]

    def _means(self, method: str, step: int) -> list[str]:
        return [
            shown(self.mean(method, name, step), self.about[name].get("unit", ""), _DECIMALS.get(name.split(".")[0], 1))
            for name in self.columns
        ]

    def figures(self) -> dict[str, Any]:
        """All of it for machines, JSON-ready: means by method, and every pair."""

        def plain(values: Mapping[str, float]) -> dict[str, float | None]:
            return {name: None if math.isnan(value) else value for name, value in values.items()}

        means = {method: {name: self.mean(method, name) for name in self.about} for method in self.methods}
        return {
            "measures": dict(self.about),
            "methods": [
                {"method": method, "edits": len(self.of(method)), "values": plain(values)}
                for method, values in means.items()
            ],
            "pairs": [
                {"name": pair.name, "method": pair.method, "step": pair.step, "values": plain(pair.values)}
                for pair in self.pairs
            ],
        }  # fmt: skip


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
        say: is told what is left out and why.
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
        judged = _measured(suite, found, able, about, resize, progress)
        for sentence in notes:
            say(sentence)
        return judged
    for entry in suite.entries:  # what is wrong is found before anything is written
        case = suite.case(entry)
        for pictures in found.values():
            edit_of(case, pictures[entry.id], resize=resize)
    measuring = Measuring(names, suite, Models(clip, dino))
    measuring.load(Path(folder), notes.append)
    _check_some(measuring.none, notes)
    for sentence in notes:
        say(sentence)
    run = begin(Path(folder), suite, None, {}, others=list(found))
    for label, pictures in found.items():
        take_outputs(run, suite, label, pictures)
    measuring.take(run, [entry.id for entry in suite.entries], "0/1", say, progress)
    values = {(row["case"], row["method"]): row["values"] for row in measured_lines(run)}
    about = {name: one for name, one in about_measures(run).items() if isinstance(every().get(name), Measure)}
    return _judged(suite, found, about, values)


def _measurable(measures: Sequence[str], suite: BeforeAfter, clip: str | None) -> tuple[list[str], list[str]]:
    """The measures without those that have no texts or masks to go by, and what there is to say of it."""
    single, sets = chosen(measures)
    told, notes = sum(bool(entry.target) for entry in suite.entries), list[str]()
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
        notes.append(f"{len(suite.entries) - told} pictures have no target: CLIP says nothing of their edits.")
    return [one.name for one in (*single, *sets)], notes


def _loaded(
    names: Sequence[str], models: Models, notes: list[str]
) -> tuple[list[Measure], Mapping[str, Mapping[str, str]]]:
    """Measures with their models in hand, and what they are."""
    single, sets = chosen(names)
    if sets:
        raise BadParameter(f"{sets[0].name} is of all edits together, which a run keeps: name a folder with -o.")
    able, lacking = loaded(single, models)
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
) -> Judged:  # fmt: skip
    """Straight from the files: every picture is read once, and nothing is written."""

    def edits() -> Iterator[Edit]:
        for entry in suite.entries:
            case = suite.case(entry)
            for label, pictures in found.items():
                image = edit_of(case, pictures[entry.id], resize=resize)
                yield Record(entry.id, entry.kind, label, 0, None, None), case, image

    values: dict[tuple[str, str], dict[str, float]] = {}
    for group in ahead(grouped(edits())):
        taken = values_of(group, measures, None)
        for i, (record, _, _) in enumerate(group):
            values[record.case, record.method] = {name: column[i] for name, column in taken.items()}
        if progress:
            progress(len(values), len(suite.entries) * len(found))
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
