"""Edits in a row, each on the result of the one before: how far a picture drifts from where it began."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from retouch.editor import Editor
from retouch.errors import BadParameter
from retouch.measures.models import Models
from retouch.measures.registry import every
from retouch.picture import write_picture
from retouch.quantity import DECIBELS, identical, mean_of, mean_shown
from retouch.runs.bench import begin, bench
from retouch.runs.edits import local
from retouch.runs.files import make_folder, put_text, slug
from retouch.runs.results import about_measures, measured_lines
from retouch.runs.run import Run
from retouch.runs.take import Measuring
from retouch.runs.variants import kept, read_variants
from retouch.sheet import contact_sheet, labelled
from retouch.suites.registry import open_suite
from retouch.suites.suite import Suite, chains_of

MEASURES = ("untouched", "psnr", "ssim", "shift", "sharpness", "tone_drift")
"""What tells drift: each outside of all that a chain may change, or, where nothing says what that is, of everything."""

_OUTSIDE = ".outside"
_DECIMALS = {"shift": 2, "sharpness": 2}
_LINES = 4  # below a tile of a strip


@dataclass(frozen=True)
class After:
    """A method after so many edits in a row, the mean over its chains.

    Attributes:
        method: its label in the run.
        edits: how many.
        count: of how many chains and seeds.
        failures: how many did not come so far.
        of: by the names of the run's measures, a value for each of ``count``; NaN for none.
    """

    method: str
    edits: int
    count: int
    failures: int
    of: Mapping[str, Sequence[float]]

    @property
    def values(self) -> dict[str, float]:
        """The means, by the names of the measures; NaN where none has a value."""
        return {name: mean_of(found) for name, found in self.of.items()}


@dataclass(frozen=True)
class Drift:
    """What became of the chains of a run.

    Attributes:
        about: what the measures are, by name, as :func:`retouch.runs.results.about_measures`; what the suite says
            itself first.
        rows: by method, then by the number of edits.
    """

    run: Run
    about: Mapping[str, Mapping[str, str]]
    rows: Sequence[After]

    @property
    def headings(self) -> list[str]:
        """Of :meth:`cells`: "after", then each measure with its unit."""
        units = [(name.removesuffix(_OUTSIDE), one.get("unit", "")) for name, one in self.about.items()]
        return ["after", *(f"{name} ({unit})" if unit else name for name, unit in units)]

    def cells(self, row: After) -> list[str]:
        """A row as text: the number of edits, then its values, as :func:`retouch.quantity.mean_shown`.

        Args:
            row: one of the drift's.
        """
        values = (
            mean_shown(row.of[name], unit := one.get("unit", ""), _decimals(name.removesuffix(_OUTSIDE), unit))
            for name, one in self.about.items()
        )
        return [str(row.edits), *values]

    def told(self) -> str:
        """What the figures are of, in a sentence."""
        where = "outside of all that a chain may change, " if any(_OUTSIDE in name for name in self.about) else ""
        counts = sorted({row.count for row in self.rows})
        chains = "no" if not counts else f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        failed = sum(row.failures for row in self.rows)
        lost = f"; edits that failed or could not follow, and are left out: {failed}" if failed else ""
        return f"Means over {chains} chain{'' if chains == '1' else 's'}; {where}against the first picture{lost}."

    def markdown(self) -> str:
        """The table for a page."""
        lines = [f"| method | {' | '.join(self.headings)} |", "|---" * (len(self.headings) + 1) + "|"]
        lines += [f"| `{row.method}` | {' | '.join(self.cells(row))} |" for row in self.rows]
        return "\n".join(["# Edits in a row", "", self.told(), "", *lines, ""])

    def figures(self) -> dict[str, Any]:
        """The same for machines, JSON-ready."""
        manifest = self.run.manifest
        rows = [
            {"method": row.method, "after": row.edits, "count": row.count, "failures": row.failures}
            | {name: None if math.isnan(value) else value for name, value in row.values.items()}
            | {"counts": {name: sum(not math.isnan(value) for value in found) for name, found in row.of.items()}}
            | {"identical": {name: identical(found) for name, found in row.of.items() if self._unit(name) == DECIBELS}}
            for row in self.rows
        ]
        return {
            "retouch": manifest.retouch, "date": manifest.environment.get("date", ""), "suite": manifest.suite,
            "model": manifest.model, "methods": manifest.methods, "seeds": manifest.seeds,
            "measures": self.about, "rows": rows,
        }  # fmt: skip

    def _unit(self, name: str) -> str:
        return self.about[name].get("unit", "")

    def strip_of(self, chain: str, side: int = 192) -> Image.Image:
        """A chain as a person sees it: the first picture and what is right after each edit, then every method's.

        Args:
            chain: its name.
            side: of a picture in pixels.

        Raises:
            BadParameter: when the run has no such chain.
        """
        entries = next((one for one in chains_of(self.run.cases()) if one[0].chain == chain != ""), None)
        if entries is None:
            raise BadParameter(f"the run {str(self.run.folder)!r} has no chain {chain!r}.")
        records = self.run.finished()
        cases = [case for entry in entries if (case := self.run.case(entry.id))]
        first, empty = cases[0].picture, Image.new("RGB", cases[0].picture.size, "#dddddd")
        rows = []
        if cases[0].truth is not None:
            right = [(case.truth or empty, f"right after {case.entry.step}\n{case.entry.target}") for case in cases]
            rows.append([(first, f"the first picture\n{cases[0].entry.source or ''}"), *right])
        for label in self.run.manifest.methods:
            row = [(first, f"{label}\nthe first picture")]
            for case in cases:
                record = records.get((case.entry.id, label, self.run.manifest.seeds_of(label)[0]))
                made = record is not None and not record.error
                image = self.run.edit(record) if record is not None and made else empty
                row.append((image, f"{label}{'' if made else ': none'}\n{case.entry.step}: {case.entry.target}"))
            rows.append(row)
        return contact_sheet([[labelled(image, text, side, _LINES) for image, text in row] for row in rows])

    def write(self, chains: Iterable[str] | None = None) -> None:
        """Writes ``drift.md``, ``drift.json`` and, of these chains or all, ``strips/CHAIN.png`` into the run's folder.

        Args:
            chains: by name; None for all.

        Raises:
            BadRun, BadPicture: when the disk does not take them.
        """
        put_text(self.run.folder / "drift.md", self.markdown())
        put_text(self.run.folder / "drift.json", json.dumps(self.figures(), indent=1, ensure_ascii=False))
        make_folder(self.run.folder / "strips")
        wanted = None if chains is None else set(chains)
        for entries in chains_of(entry for entry in self.run.cases() if entry.chain):
            chain = entries[0].chain
            if wanted is None or chain in wanted:
                write_picture(self.strip_of(chain), self.run.folder / "strips" / f"{slug(chain)}.png", force=True)


def drift_of(run: Run) -> Drift:
    """The drift in a run of a suite of chains, of as many edits as are there.

    Raises:
        BadParameter: when the run has no chains.
    """
    steps = {entry.id: entry.step for entry in run.cases() if entry.chain}
    if not steps:
        raise BadParameter(f"the run {str(run.folder)!r} has no edits in a row: name one of a suite such as drift.")
    measured = {(row["case"], row["method"], row["seed"]): row["values"] for row in measured_lines(run)}
    about = about_measures(run)
    names = _named(about, measured.values())
    records, rows = [one for one in run.finished().values() if one.case in steps], []
    for label in run.manifest.methods:
        for step in range(1, max(steps.values()) + 1):
            mine = [one for one in records if one.method == label and steps[one.case] == step]
            there = [measured.get(one.key, {}) for one in mine if not one.error]
            values = {name: [_number(row.get(name)) for row in there] for name in names}
            if mine:
                rows.append(After(label, step, len(there), len(mine) - len(there), values))
    return Drift(run, {name: about[name] for name in names}, rows)


def run_drift(
    folder: str | Path,
    editor: Editor,
    methods: Sequence[str] = (),
    *,
    variants: Sequence[str] = (),
    keep: str = "off",
    masks: bool = False,
    seeds: Sequence[int] = (0,),
    suite: Suite | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> Drift:
    """Edits pictures there and back, each edit on the result of the one before, and measures how far they drift.

    What ``retouch bench drift`` does: the folder is a run, which a kill costs the edit in hand alone, and the same call
    goes on with. It holds every picture as PNG: nothing is lost between two edits. All edits have the same seed.

    Args:
        editor: holds the model.
        seeds: of the edits; every chain is made with each.
        folder: new, or of an unfinished run of the same.
        methods, variants: names, and methods with settings, as :func:`retouch.runs.variants.read_variants`.
        keep: as for :meth:`retouch.editor.Editor.edit`, or "both": every method twice, as drawn and kept.
        masks: whether methods are given the mask of all that the chain may change.
        suite: one whose edits are in chains; by default painted scenes, see :class:`retouch.diorama.drift.Drift`.
        progress: called with (edits made, all edits, the label at work).
        options: of the suite drift: ``edits`` in a row, ``count`` of chains, ``kinds``, ``start``, ``side``.

    Returns:
        the drift, which is written into the folder, too; see :meth:`Drift.write`.

    Raises:
        BadParameter: for no method, a suite without chains, or an option outside its range.
        BadRun: when the folder holds another run.

    Example:
        >>> drift = run_drift("drift", Editor.from_pretrained("diorama"), ["ddim"], keep="both", edits=4, count=2)
        >>> print(drift.markdown())
    """
    if suite is not None and options:
        raise BadParameter(f"{next(iter(options))} is an option of the suite drift, and another is given.")
    opened = open_suite("drift", options) if suite is None else suite
    found = kept(read_variants(methods, variants), keep)
    if not found:
        raise BadParameter("there is nothing to run: name a method.")
    if not all(entry.chain for entry in opened.entries):
        raise BadParameter(f"the suite {opened.name} holds edits that are in no chain: give one of chains.")
    measuring = Measuring([name + part for name in MEASURES for part in ("", _OUTSIDE)], opened, Models(None, None))
    measuring.load(Path(folder), _nobody)
    run = begin(folder, opened, editor, found, seeds, masked=masks)
    bench(run, opened, local(editor), methods=list(found), seeds=seeds, masked=masks, progress=progress)
    measuring.take(run, [entry.id for entry in opened.entries], "0/1", _nobody)
    drift = drift_of(run)
    drift.write()
    return drift


def _nobody(sentence: str) -> None:
    """Is told."""


def _named(about: Mapping[str, Mapping[str, str]], values: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the suite says itself, then the measures of drift, of those that some edit has a value of."""
    there = {name for one in values for name, value in one.items() if value is not None}
    own = [name for name in about if name not in every() and name in there]
    pairs = ((name + _OUTSIDE, name) for name in MEASURES)
    return own + [next(name for name in pair if name in there) for pair in pairs if there.intersection(pair)]


def _decimals(name: str, unit: str) -> int:
    """Of a measure's values: three of plain numbers, which are shares and distances of a few tenths at most."""
    return _DECIMALS.get(name, 1 if unit else 3)


def _number(value: float | None) -> float:
    """NaN for none."""
    return math.nan if value is None else value
