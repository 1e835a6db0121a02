"""What other packages add: objects under an entry-point group, by name, never in the way of our own."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from typing import Any

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")  # others could not be given to an option that takes several, or sets one


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
            if not _NAME.fullmatch(name):
                _warn(
                    f"{name!r} of {point.value} is left out of {group}: a name is made of small letters, digits, "
                    "dashes and dots."
                )
            elif name in own or name in found:
                _warn(f"{name!r} of {point.value} is left out of {group}: the name is taken.")
            else:
                found[name] = one
    return found


def check_class(loaded: Any, name: str, base: type[Any], texts: Collection[str], calls: Collection[str]) -> None:
    """Refuses a class that lacks something without which it could be listed but not run.

    Args:
        name: what it is registered under.
        base: what it has to be a subclass of.
        texts: class attributes that have to be text.
        calls: what it has to define itself, as ``base`` does no more than say so.

    Raises:
        TypeError: naming what is wrong.
    """
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise TypeError(f"it is no subclass of {base.__module__}.{base.__name__}")
    for text in texts:
        if not isinstance(getattr(loaded, text, None), str):
            raise TypeError(f"it says no {text}")
    if getattr(loaded, "name", None) != name:
        raise TypeError(f"its name is {getattr(loaded, 'name', None)!r}")
    missing = [call for call in calls if getattr(loaded, call) is getattr(base, call)]
    if missing:
        raise TypeError(f"it does not define {', '.join(missing)}")


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)
