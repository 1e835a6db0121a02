"""A batch looked through before its first edit: pictures, masks, sources and outputs, every problem with its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retouch.batch.read import Read
from retouch.batch.row import Row
from retouch.errors import BadParameter, BadPicture, BadPrompt, OutputExists, RetouchError
from retouch.output import check_folder
from retouch.picture import check_output, read_head, read_mask
from retouch.picture.writing import MAX_SIDE, WRITABLE

MARK = "batch"
"""Under which the recipe of a batch's output says which edit it is."""


def check_batch(read: Read, folder: Path, captioned: bool) -> None:
    """Finds what would stop edits, beside what was found as they were read; nothing is decoded but masks.

    Args:
        folder: where outputs go.
        captioned: whether somebody says what pictures show where their rows do not.

    Raises:
        RetouchError: naming everything that is wrong, each with its row.
    """
    problems, sizes = read.problems, _sizes(read)
    owners = dict[str, str]()
    for row in read.rows:
        with problems.of(row.where):
            if row.needs_caption and not captioned:
                raise BadPrompt(
                    f"there is no source, and {row.variant.method} needs to know what the picture shows: fill it in, "
                    "or name an image-to-text model, as --captioner Salesforce/blip-image-captioning-base."
                )
        first = owners.setdefault(row.output.casefold(), row.where)
        if first != row.where:
            problems.add(row.where, f"the output {row.output!r} is that of {first}: give it another name.")
        with problems.of(row.where):
            _check_output(row, folder / row.output, sizes.get(row.picture))
    if found := problems.sentences():
        count = "one thing is" if len(found) == 1 else f"{len(found)} things are"
        raise RetouchError(f"{count} wrong with these edits, and nothing was made:", *found)


def _sizes(read: Read) -> dict[Path, tuple[int, int]]:
    """The pictures' sizes; what is wrong with pictures and masks is noted with every row that names them."""
    sizes, reasons = dict[Path, tuple[int, int]](), dict[Path, str]()
    for where, (picture, mask) in read.files.items():
        for path, look in ((picture, lambda path: sizes.update({path: read_head(path).size})), (mask, read_mask)):
            if path is None or path in sizes:
                continue
            if path not in reasons:
                reasons[path] = ""
                try:
                    look(path)
                except BadPicture as error:
                    reasons[path] = str(error)
            if reasons[path]:
                read.problems.add(where, reasons[path])
    return sizes


def check_place(batch: Path, folder: Path) -> None:
    """Refuses a folder of outputs that cannot be made, or is that of the pictures.

    Raises:
        BadParameter: saying so.
    """
    check_folder(folder, "--output")
    if batch.is_dir() and folder.resolve() == batch.resolve():
        raise BadParameter(f"--output is {str(folder)!r}, the folder of the pictures: name another.")


def made_before(path: Path) -> dict[str, Any] | None:
    """What a batch noted in its output; None where no batch wrote the file."""
    try:
        recipe = read_head(path).recipe
    except BadPicture:
        return None
    mark = (recipe or {}).get(MARK)
    return {**(recipe or {}), MARK: mark} if isinstance(mark, dict) else None


def _check_output(row: Row, path: Path, size: tuple[int, int] | None) -> None:
    """Refuses an output of another's, and one too large for its format."""
    if path.parent.is_dir():
        check_output(path, force=True, size=size)
        if path.exists() and made_before(path) is None:
            raise OutputExists(f"{str(path)!r} is there and was not made by a batch: name another folder.")
        return
    kind = WRITABLE[path.suffix.lower()]
    if size is not None and max(size) > MAX_SIDE.get(kind, max(size)):
        raise BadParameter(
            f"the output {row.output!r} would have {size[0]} x {size[1]} pixels, and {kind} takes at most "
            f"{MAX_SIDE[kind]} a side: give --format png."
        )
