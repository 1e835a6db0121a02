"""Edits that others made paired with the pictures they were made of: all of them, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retouch.picture import read_picture
from retouch.suites.pictures import pictures_of
from retouch.suites.suite import BadSuite, Suite

_SHOWN = 5


def paired(suite: Suite, folder: Path, label: str, *, resize: bool = False) -> dict[str, Path]:
    """The pictures of a folder by the suite's ids, each looked at: one for every id, and none that is no id.

    Args:
        label: of the edits, for messages.
        resize: whether an edit may have another size than its picture.

    Raises:
        BadSuite: for an edit that is missing, one of no picture, or one of another size.
        BadPicture: for one that cannot be read.
    """
    found = pictures_of(folder, f"the edits of {label}")
    wanted = [entry.id for entry in suite.entries]
    missing, beyond = [name for name in wanted if name not in found], [one for one in found if one not in set(wanted)]
    if missing:
        raise BadSuite(
            f"{str(folder)!r} has no edit of {_some(missing)}, {len(missing)} of {len(wanted)}: give every picture "
            "one, called by its name, or take the others away."
        )
    if beyond:
        raise BadSuite(
            f"{str(folder)!r} holds {_some([found[name].name for name in beyond])}, and no picture is called so: an "
            "edit is called as its picture, whatever its ending."
        )
    for entry in suite.entries:
        size, whole = read_picture(found[entry.id]).image.size, suite.case(entry).picture.size
        if size != whole and not resize:
            raise BadSuite(
                f"{str(found[entry.id])!r} is {size[0]} x {size[1]} and its picture is {whole[0]} x {whole[1]}: edits "
                "are compared pixel by pixel; give both one size, or scale the edit with --resize."
            )
    return {entry.id: found[entry.id] for entry in suite.entries}


def _some(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
