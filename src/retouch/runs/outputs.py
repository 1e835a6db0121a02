"""Edits that others made, taken into a run as a method of their own: published outputs beside ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from retouch.errors import BadParameter, BadPicture
from retouch.picture import Note, notes_of
from retouch.runs.cases import stored_case
from retouch.runs.files import BadRun
from retouch.runs.manifest import Record
from retouch.runs.paired import edit_of
from retouch.runs.run import Run
from retouch.runs.writer import Writer
from retouch.suites.pictures import ENDINGS, is_picture
from retouch.suites.suite import Entry, Suite, folder_of, share_of


def find_outputs(suite: Suite, folder: Path) -> dict[str, Path]:
    """The pictures of a folder, or of those in it, that are called after the suite's ids (``ID.png``), by id.

    Raises:
        BadParameter: when the folder holds not one of them, or one twice.
    """
    found = {entry.id: path for entry in suite.entries if (path := _picture(folder, entry))}
    below = _below(folder) if len(found) < len(suite.entries) else {}
    for name in [entry.id for entry in suite.entries if entry.id not in found and entry.id in below]:
        found[name], *others = below[name]
        if others:
            raise BadParameter(f"{str(found[name])!r} and {str(others[0])!r} are both {name!r}: take one of them away.")
    if not found:
        ids = {entry.id.casefold() for entry in suite.entries}
        like = [paths[0].name for name, paths in below.items() if name.casefold() in ids]
        hint = f" (there is {like[0]!r}: names agree in upper and lower case)" if like else ""
        example = f"{suite.entries[0].id}.png"
        raise BadParameter(
            f"{str(folder)!r} holds no output of this suite{hint}: they should be called as {example!r}."
        )
    return found


def take_outputs(
    run: Run, suite: Suite, label: str, found: Mapping[str, Path], *, shard: tuple[int, int] = (0, 1),
    skip: Sequence[str] = (), notes: list[Note] | None = None,
) -> int:  # fmt: skip
    """Copies pictures into a run as the edits of the method ``label``.

    One of another size than the input is scaled to it, so that it can be measured against it. What they cost is not
    known.

    Args:
        found: as :func:`find_outputs`.
        shard, skip: as for :func:`retouch.runs.bench.bench`.
        notes: is given what was done to the pictures on the way in.

    Returns:
        how many of the shard's there are.

    Raises:
        BadPicture: when one cannot be read.
        BadRun: when the run has others under this label, or the suite's picture is not the run's any more.
    """
    seed, taken = run.manifest.seeds[0], 0
    with Writer.opened(run, f"{shard[0]}/{shard[1]}") as writer:
        before, there = {record.key: record for record in run.records()}, run.finished()
        for entry in share_of(suite, shard):
            if entry.id not in found or entry.id in skip:
                continue
            taken, digest = taken + 1, _digest(found[entry.id])
            known = before.get((entry.id, label, seed))
            if known and known.output not in ("", digest):
                raise BadRun(
                    f"{str(found[entry.id])!r} is another picture than {label!r} has in the run {str(run.folder)!r}: "
                    "give this one a label of its own."
                )
            if known and known.key in there:
                continue
            case = stored_case(run, suite, entry)
            edit = edit_of(case, found[entry.id], resize=True)
            writer.finish(Record(entry.id, entry.kind, label, seed, None, None, output=digest), edit.image)
            if notes is not None:
                notes += notes_of(edit)
    return taken


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise BadPicture(f"{str(path)!r} cannot be read ({error.strerror}): put it right or take it away.") from None


def read_outputs(texts: Sequence[str]) -> dict[str, Path]:
    """Labels and folders of "LABEL=FOLDER".

    Raises:
        BadParameter: for other text, or a label given twice.
        BadSuite: when there is no such folder.
    """
    found = dict[str, Path]()
    for text in texts:
        label, _, place = text.partition("=")
        if not label.strip() or not place.strip():
            raise BadParameter(f"--outputs is {text!r}, expected LABEL=FOLDER.")
        if label.strip() in found:
            raise BadParameter(f"two --outputs are called {label.strip()!r}: give each a label of its own.")
        found[label.strip()] = folder_of(place.strip(), "the outputs")
    return found


def _picture(folder: Path, entry: Entry) -> Path | None:
    for path in (folder / f"{entry.id}{ending}" for ending in ENDINGS):
        with suppress(OSError):  # an id that is too long for a file's name
            if path.is_file():
                return path
    return None


def _below(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder, whatever the case of their endings, and of the folders in it, by name without ending:
    published outputs lie in a folder for each session.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(filter(is_picture, (*folder.glob("*"), *folder.glob("*/*")))):
        found.setdefault(path.stem, []).append(path)
    return found
