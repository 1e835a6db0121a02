"""What other packages add: objects under an entry-point group, by name, never in the way of our own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from typing import Any


def plugins(group: str, own: Collection[str], named: Callable[[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """The objects that installed packages register under an entry-point group, each by its name.

    What cannot be loaded, and what has a name that is taken, is left out with a warning: another package's fault must
    not take ours away.

    Args:
        group: such as ``retouch.suites``.
        own: the names that are ours.
        named: the objects by name that an entry point (its name, what it loads) stands for; whatever it raises is the
            reason why they are left out.
    """
    found = dict[str, Any]()
    for point in entry_points(group=group):
        try:
            loaded = named(point.name, point.load())
        except Exception as error:  # whatever the package does wrong
            _warn(f"{point.name!r} of {point.value} could not be loaded for {group}: {error!r}")
            continue
        for name, one in loaded.items():
            if name in own or name in found:
                _warn(f"{name!r} of {point.value} is left out of {group}: the name is taken.")
            else:
                found[name] = one
    return found


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)
