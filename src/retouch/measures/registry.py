"""The measures by name: ours, and those that other packages register under the entry-point group ``retouch.measures``.

Each module that is named here declares its own as ``MEASURES``; an entry point is a measure, or several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch

from retouch.errors import BadModel, BadParameter
from retouch.measures.measure import Measure, SetMeasure
from retouch.measures.models import Models
from retouch.plugins import plugins

_OWN = ("clip", "pixels", "keeping", "perceptual", "structure", "pie_bench", "sets")

ALL = "all"
"""The group of all measures."""


@cache
def every() -> Mapping[str, Measure | SetMeasure]:
    """Every measure by its name, ours first."""
    own = {one.name: one for module in _OWN for one in import_module(f"retouch.measures.{module}").MEASURES}
    words = {ALL, "none", *(group for one in own.values() for group in one.groups)}
    return {**own, **plugins("retouch.measures", {*own, *words}, _named)}


def groups() -> list[str]:
    """The names under which several measures go together."""
    return [*dict.fromkeys(group for one in every().values() for group in one.groups), ALL]


def names(group: str = ALL) -> list[str]:
    """The measures of single edits in a group; nothing is loaded.

    Raises:
        BadParameter: for an unknown group.
    """
    return [one.name for one in chosen([group])[0]]


def chosen(wanted: Iterable[str]) -> tuple[list[Measure], list[SetMeasure]]:
    """The measures of single edits, and those of all together, that names and groups stand for, each once.

    Raises:
        BadParameter: for an unknown name.
    """
    known, found = every(), dict[str, Measure | SetMeasure]()
    for name in wanted:
        if name in known:
            found[name] = known[name]
        elif name not in groups():
            raise BadParameter(
                f"there is no measure {name!r}; the groups are {', '.join(groups())}, and the measures "
                f"{', '.join(known)}."
            )
        else:
            found |= {one.name: one for one in known.values() if name == ALL or name in one.groups}
    return (
        [one for one in found.values() if isinstance(one, Measure)],
        [one for one in found.values() if isinstance(one, SetMeasure)],
    )


def measures_for(
    clip: str | None,
    names: Sequence[str] = ("default",),
    dino: str | None = None,
    *,
    device: torch.device | None = None,
) -> tuple[list[Measure], list[tuple[str, str]]]:
    """The measures of single edits that can be taken here, and the names of those that cannot, each with the reason.

    Args:
        clip: a CLIP model: "diorama", a folder or a hub name; None for none.
        names: of measures and groups.
        dino: the structure distance's vision transformer, a folder or a hub name; None for the published one.
        device: where the models work; default the CPU. Values come back on the batch's.

    Raises:
        BadParameter: for an unknown name.
    """
    return loaded(chosen(names)[0], Models(clip, dino, device=device))


def loaded(measures: Iterable[Measure], models: Models) -> tuple[list[Measure], list[tuple[str, str]]]:
    """Measures with their models in hand, and the names of those that lack theirs, each with the reason in a sentence.

    So a model that is absent is known before a long run. Models that no measure needs are not touched.
    """
    able, unable = list[Measure](), list[tuple[str, str]]()
    for one in measures:
        try:
            able.append(one.loaded(models))
        except BadModel as error:
            unable.append((one.name, str(error)))
    return able, unable


def _named(_: str, loaded: Any) -> dict[str, Any]:
    """The measures of an entry point: one, or several."""
    several = [loaded] if isinstance(loaded, Measure | SetMeasure) else list(loaded)
    for one in several:
        if not isinstance(one, Measure | SetMeasure):
            raise TypeError(f"{one!r} is no Measure")
    return {one.name: one for one in several}
