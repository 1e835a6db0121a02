"""Settings and arguments that cannot act: whoever gives one is told so, and recipes do without where they can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from retouch.errors import BadParameter
from retouch.methods.method import Method
from retouch.methods.registry import made_anew
from retouch.parameters import parameters_of
from retouch.parts.asked import Asked
from retouch.parts.job import Job

_REFUSED = ("reference", "foreground", "budget", "checkpoint")
"""Arguments that only some methods take; a setting may stand in a command for several methods, and gets a note."""
_SHARED = tuple(f"the {what} has no effect" for what in ("source prompt", "target prompt", "negative prompt", "seed"))
"""How the notes begin on what several methods are given together."""


def idle_notes(method: Method, asked: Asked, settings: Iterable[str], arguments: Iterable[str]) -> list[str]:
    """A sentence for everything that was given and cannot act.

    Args:
        settings: the parameters that were set, not those recommended or left at their defaults.
        arguments: the names of those given among "mask", "foreground", "reference", "source", "target",
            "negative_prompt", "budget" and "checkpoint".

    Raises:
        BadParameter: for an argument that the method does not take.
    """
    idle = method.idle(asked)
    arguments = list(arguments)
    for name in _REFUSED:
        if name in idle and name in arguments:
            raise BadParameter(f"{name} has no effect: {idle[name]}. Leave it out.")
    said = [f"{name} is {_shown(getattr(method, name))}, but has no effect: {idle[name]}."
            for name in settings if name in idle]  # fmt: skip
    called = {
        "mask": "the mask", "source": "the source prompt", "target": "the target prompt",
        "negative_prompt": "the negative prompt",
    }  # fmt: skip
    return said + [
        f"{called[name]} has no effect: {idle[name]}." for name in called if name in idle and name in arguments
    ]


def set_by_hand(method: Method) -> list[str]:
    """The parameters of a method object that are not at their defaults."""
    return [p.name for p in parameters_of(method) if getattr(method, p.name) != p.default]


def acting(method: Method, job: Job) -> tuple[dict[str, Any], set[str]]:
    """For the recipe of an edit: the parameters that an edit made anew from it needs, and the names of all idle ones.

    What cannot act is left out where what would stand in its place then (recommended, or the default) cannot act
    either: a share of the steps that is no whole step stays, as a larger one would act.
    """
    asked = Asked(
        job.model, job.target, job.source, masked=job.mask is not None, foreground=job.foreground is not None,
        reference=job.reference is not None, fitted=job.fit is not None,
        negative=job.negative is not None,
    )  # fmt: skip
    idle, kept, left_out = set(method.idle(asked)), asdict(method), set[str]()
    for name in [name for name in kept if name in idle]:
        rest = {other: value for other, value in kept.items() if other != name}
        if left_out | {name} <= _idle_anew(method, asked, rest):
            kept, left_out = rest, left_out | {name}
    return kept, idle


def _idle_anew(method: Method, asked: Asked, kept: Mapping[str, Any]) -> set[str]:
    """What of the rest cannot act, or says nothing, in an edit with the ``kept`` parameters alone."""
    try:
        anew = made_anew(asked.model, method, asked.source, asked.target, kept)
    except BadParameter:  # what stands in their place makes no sense with these
        return set()
    nothing = {p.name for p in parameters_of(anew) if p.kind == "text" and getattr(anew, p.name) in ("", "none")}
    return set(anew.idle(asked)) | nothing


def seed_note(method: Method, job: Job, before: Any) -> tuple[str, ...]:
    """What is said after an edit with a seed of the user's that nothing was drawn from.

    Args:
        before: the state of the job's generator when the edit began.
    """
    drawn = method.optimises or not bool((job.generator.get_state() == before).all())
    return () if drawn or not job.seed else ("the seed has no effect: nothing is drawn at random.",)


def notes_of_many(notes: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The notes of several methods' edits, each once; of those on what all were given, only what holds for all."""
    every = [list(one) for one in notes]
    return tuple(
        note for note in dict.fromkeys(note for one in every for note in one)
        if not note.startswith(_SHARED) or all(any(n.startswith(note[:20]) for n in one) for one in every)
    )  # fmt: skip


def refuse_twice(settings: Mapping[str, Any], name: str, varied: str) -> None:
    """Refuses a setting that is varied as well.

    Raises:
        BadParameter: naming both.
    """
    if name in settings:
        raise BadParameter(f"{name} is set to {_shown(settings[name])}, but {varied} vary it: leave one of them out.")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
