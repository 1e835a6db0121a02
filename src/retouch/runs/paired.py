"""Edits that others made paired with the pictures they were made of: all of them, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from retouch.picture import Picture, read_picture
from retouch.suites.pictures import pictures_of, some
from retouch.suites.suite import BadSuite, Case, Suite


def paired(suite: Suite, folder: Path, label: str) -> dict[str, Path]:
    """The pictures of a folder by the suite's ids: one for every id, and none that is no id.

    Args:
        label: of the edits, for messages.

    Raises:
        BadSuite: for an edit that is missing, or one of no picture.
    """
    own = label == folder.resolve().name
    found = pictures_of(folder, "the edits" if own else f"the edits called {label!r}")
    wanted = [entry.id for entry in suite.entries]
    missing, beyond = [name for name in wanted if name not in found], [one for one in found if one not in set(wanted)]
    if missing:
        like = [found[one].name for one in beyond if one.casefold() in {name.casefold() for name in missing}]
        hint = f" (there is {like[0]!r}: names agree in upper and lower case)" if like else ""
        raise BadSuite(
            f"{str(folder)!r} has no edit of {some(missing)}, {len(missing)} of {len(wanted)}{hint}: give every "
            "picture one, called by its name, or take the others away."
        )
    if beyond:
        raise BadSuite(
            f"{str(folder)!r} holds {some([found[name].name for name in beyond])}, and no picture is called so: an "
            "edit is called as its picture, whatever its ending."
        )
    return {name: found[name] for name in wanted}


def edit_of(case: Case, path: Path, *, resize: bool) -> Picture:
    """An edit of a case, of its picture's size, and what was done to it on the way in.

    Args:
        resize: whether another size is scaled; else it is refused.

    Raises:
        BadSuite: for one of another size.
        BadPicture: for one that cannot be read.
    """
    read, (width, height) = read_picture(path), case.picture.size
    image = read.image
    if image.size == (width, height):
        return read
    if not resize:
        raise BadSuite(
            f"{str(path)!r} is {image.width} x {image.height} and its picture is {width} x {height}: edits are "
            "compared pixel by pixel; give both one size, or scale the edit with --resize."
        )
    return replace(read, image=image.resize((width, height), Image.Resampling.LANCZOS))
