"""What a run is of: its records, one for each edit, and its manifest, which later commands may add to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouch import __version__
from retouch.runs.files import BadRun

FORMAT = 1
NO_MODEL = {"name": "", "fingerprint": ""}
"""The model of a run of outputs that others made, alone; methods may be added with any."""


@dataclass(frozen=True)
class Record:
    """One edit of a run.

    Attributes:
        case, kind: the entry's.
        method: its label in the run.
        seed: of everything random.
        seconds, evaluations: what it costs alone; an inversion it shares with others of the run is counted in full.
            None for outputs that others made.
        memory_mib: most memory in use during it, above what was in use before; None where it cannot be told.
        error: why there is no edit; "" otherwise.
        output: a digest of the file, of outputs that others made.
    """

    case: str
    kind: str
    method: str
    seed: int
    seconds: float | None
    evaluations: int | None
    memory_mib: float | None = None
    error: str = ""
    output: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it one of its kind: case, method and seed."""
        return self.case, self.method, self.seed


@dataclass(frozen=True)
class Manifest:
    """What was run.

    Attributes:
        suite: the suite's identity.
        model: its name and fingerprint.
        methods: by label, the method's name ("" for outputs that others made) and the settings it was given.
        seeds: of every edit; ``method_seeds`` by label where a method has only some of them, see :meth:`seeds_of`.
        environment: versions and machine that it was begun with; ``later``: others that it went on with.
    """

    suite: Mapping[str, Any]
    model: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Any]]
    seeds: Sequence[int]
    environment: Mapping[str, Any] = field(default_factory=dict)
    retouch: str = __version__
    format: int = FORMAT
    method_seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def seeds_of(self, label: str) -> Sequence[int]:
        """The seeds that a method's edits are made with; outputs that others made are there once."""
        own = self.method_seeds.get(label, self.seeds)
        return own if self.methods[label]["method"] else self.seeds[:1]


def joined(before: Manifest, now: Manifest, where: Path) -> Manifest:
    """What a run is after it is gone on with."""
    _check_same(before, now, where)
    suite = max(before.suite, now.suite, key=lambda one: one.get("count", 0))
    own: dict[str, list[int]] = {}
    for one in (before, now):
        for label in one.methods:
            own[label] = list(dict.fromkeys([*own.get(label, []), *one.seeds_of(label)]))
    ours = any(method["method"] for method in now.methods.values())  # outputs of others have no seed of their own
    seeds = list(dict.fromkeys([*before.seeds, *(now.seeds if ours else ())]))
    return Manifest(
        suite, before.model if before.model != NO_MODEL else now.model, {**before.methods, **now.methods}, seeds,
        _went_on(before.environment, now.environment), method_seeds=own,
    )  # fmt: skip


def _went_on(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first environment, and those others that the run went on with."""

    def undated(one: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in one.items() if key not in ("date", "later")}

    known = [before, *before.get("later", ())]
    if any(undated(one) == undated(now) for one in known):
        return before
    return {**before, "later": [*before.get("later", ()), dict(now)]}


def _check_same(before: Manifest, now: Manifest, where: Path) -> None:
    if before.retouch != now.retouch:
        raise BadRun(
            f"the run {str(where)!r} was made by retouch {before.retouch}, and this is {now.retouch}: go on with that "
            "version, or name another folder."
        )
    _check_edits(before.suite, now.suite, where)
    if before.model != now.model and NO_MODEL not in (before.model, now.model):
        raise BadRun(
            f"the run {str(where)!r} was made with the model {before.model['name']!r} ({before.model['fingerprint']}), "
            f"and this is {now.model['name']!r} ({now.model['fingerprint']}): name another folder."
        )
    for label, method in now.methods.items():
        if label in before.methods and before.methods[label] != json.loads(json.dumps(method)):
            then, its = (one.get("keep", "off") for one in (before.methods[label], method))
            if then != its:
                raise BadRun(
                    f"the run {str(where)!r} has {label!r} with --keep {then}, and this is --keep {its}: name another "
                    "folder; --keep both makes edits as drawn and kept in one."
                )
            large, now_large = (one.get("size", "left out") for one in (before.methods[label], method))
            if large != now_large:
                raise BadRun(
                    f"the run {str(where)!r} has {label!r} at --size {large}, and this is --size {now_large}: name "
                    "another folder."
                )
            raise BadRun(
                f"the run {str(where)!r} has {label!r} with other settings: give this one a label of its own, as "
                f"--variant 'LABEL={label}:…', or name another folder."
            )


def _check_edits(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    then, here = (json.loads(json.dumps({**one, "count": 0})) for one in (before, now))
    other = [name for name in dict.fromkeys([*then, *here]) if then.get(name) != here.get(name)]
    if not other:
        return
    plain = [name for name in other if name != "digest"]
    said = "; ".join(f"{name} {_short(then.get(name))}, and this is {_short(here.get(name))}" for name in plain)
    said = said or "some of its texts, settings, or names of pictures and masks"
    raise BadRun(f"the run {str(where)!r} is of other edits than this suite's ({said}): name another folder.")


def _short(value: Any) -> str:
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)
