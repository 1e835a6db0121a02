"""Edits that others made, taken into a run as a method of their own: published outputs beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from retouch.errors import BadParameter
from retouch.evaluate.run import Record, Run, Writer
from retouch.evaluate.suites.suite import Entry, Suite, folder_of
from retouch.picture import read_picture

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def take_outputs(run: Run, suite: Suite, label: str, folder: Path) -> list[str]:
    """Copies pictures called after the suite's ids (``ID.png``) into a run.

    One of another size than the input is scaled to it, so that it can be measured against it. What they cost is not
    known.

    Returns:
        the ids of which there is no picture.

    Raises:
        BadParameter: when the folder holds not one of them.
        BadPicture: when one cannot be read.
    """
    found = {entry.id: path for entry in suite.entries if (path := _picture(folder, entry))}
    if not found:
        example = f"{suite.entries[0].id}.png"
        raise BadParameter(f"{str(folder)!r} holds no output of this suite: they should be called as {example!r}.")
    seed = run.manifest.seeds[0]
    with Writer.opened(run, f"{label}/outputs") as writer:
        known = {record.key for record in run.records()}
        for entry in suite.entries:
            if entry.id not in found or (entry.id, label, seed) in known:
                continue
            case = run.case(entry.id)
            if case is None:
                case = suite.case(entry)
                run.store(case)
            image = read_picture(found[entry.id]).image
            if image.size != case.picture.size:
                image = image.resize(case.picture.size, Image.Resampling.LANCZOS)
            writer.finish(Record(entry.id, entry.kind, label, seed, None, None), image)
    return [entry.id for entry in suite.entries if entry.id not in found]


def read_outputs(texts: Sequence[str]) -> dict[str, Path]:
    """Labels and folders of "LABEL=FOLDER".

    Raises:
        BadParameter: for other text.
        BadSuite: when there is no such folder.
    """
    found = {}
    for text in texts:
        label, _, place = text.partition("=")
        if not label.strip() or not place.strip():
            raise BadParameter(f"--outputs is {text!r}, expected LABEL=FOLDER.")
        found[label.strip()] = folder_of(place.strip(), "the outputs")
    return found


def _picture(folder: Path, entry: Entry) -> Path | None:
    paths = (folder / f"{entry.id}{ending}" for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)
