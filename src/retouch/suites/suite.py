"""What a suite is: named edits in a fixed order, each opened when its turn comes."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from retouch.errors import RetouchError
from retouch.picture import read_mask, read_picture


class BadSuite(RetouchError):
    """A suite's folder or table that cannot be used."""


@dataclass(frozen=True)
class Entry:
    """One edit that a suite asks for, without its pictures.

    Attributes:
        id: names it within the suite.
        kind: what sort of edit it is; results are broken down by it.
        target: what the picture should show.
        source: what it shows; None where the suite does not say.
        about: more that is known of it, JSON-ready.
        settings: parameters that the suite gives the methods that have them, when a run asks for it.
        files: where picture and mask are, for suites that read files.
    """

    id: str
    kind: str
    target: str
    source: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """An entry with its pictures.

    Attributes:
        picture: RGB.
        mask: L of its size, 255 where the edit may change things; None where nothing says.
        truth: the right answer, for suites that know it.
    """

    entry: Entry
    picture: Image.Image
    mask: Image.Image | None = None
    truth: Image.Image | None = None


class Suite(ABC):
    """Edits in a fixed order.

    Attributes:
        name: of the kind of suite.
        identity: which edits it holds, JSON-ready: a run is only continued by a suite of the same identity, or one with
            a larger "count" of scenes, which holds those of the smaller.
        entries: all edits.
    """

    name: ClassVar[str]
    identity: Mapping[str, Any]
    entries: Sequence[Entry]

    @abstractmethod
    def case(self, entry: Entry) -> Case:
        """Opens the pictures of one entry.

        Raises:
            BadPicture, BadSuite: when one cannot be read or does not fit the other.
        """

    def missing(self) -> dict[str, list[Path]]:
        """The files that are not there, by entry."""
        # Path.is_file raises for a name that is too long, as of a prompt in the place of a picture
        lacking = {
            entry.id: [path for path in entry.files.values() if not os.path.isfile(path)] for entry in self.entries
        }
        return {name: paths for name, paths in lacking.items() if paths}


def case_from_files(entry: Entry) -> Case:
    """The case of an entry whose ``files`` are "picture" and, perhaps, "mask".

    Raises:
        BadPicture: when one cannot be read.
        BadSuite: when the mask has another size than the picture.
    """
    picture = read_picture(entry.files["picture"]).image
    if "mask" not in entry.files:
        return Case(entry, picture)
    mask = read_mask(entry.files["mask"])
    if mask.size != picture.size:
        raise BadSuite(
            f"the mask {str(entry.files['mask'])!r} is {mask.width} x {mask.height} and its picture is "
            f"{picture.width} x {picture.height}: give one of the picture's size."
        )
    return Case(entry, picture, mask)


def check_entries(entries: Sequence[Entry], where: str) -> None:
    """Refuses what would make results ambiguous.

    Raises:
        BadSuite: when there are no entries, two have one id, or one holds half a character, which no file takes.
    """
    if not entries:
        raise BadSuite(f"{where} holds no edits.")
    twice = [name for name, count in Counter(entry.id for entry in entries).items() if count > 1]
    if twice:
        raise BadSuite(f"{where} uses the id {twice[0]!r} more than once: give every edit an id of its own.")
    for entry in entries:
        texts = [entry.id, entry.kind, entry.source, entry.target, dict(entry.about)]
        try:
            json.dumps(texts, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise BadSuite(
                f"the edit {entry.id!r} of {where} holds half a surrogate pair, which is no text: write the character "
                "itself."
            ) from None


def share_of(suite: Suite, shard: tuple[int, int]) -> list[Entry]:
    """The entries of shard (i, n): of the ids in order every n-th from the i-th on, however the suite is sorted."""
    share, shards = shard
    if shards == 1:
        return list(suite.entries)
    mine = set(sorted(entry.id for entry in suite.entries)[share::shards])
    return [entry for entry in suite.entries if entry.id in mine]


def identity_of(suite: str, entries: Sequence[Entry], named: Sequence[Any]) -> dict[str, Any]:
    """A suite's ``identity``: how many edits it holds, and a digest of what they ask for, in any order.

    What the files hold is left out: a picture that was missing at first may be added later.

    Args:
        named: for each entry, which picture and mask the suite's table names, JSON-ready and as it does: the suite's
            folder may move.
    """
    asked = sorted(
        json.dumps([entry.id, entry.kind, entry.source, entry.target, dict(entry.settings), of_files], sort_keys=True)
        for entry, of_files in zip(entries, named, strict=True)
    )
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
    return {"suite": suite, "edits": len(entries), "digest": digest}


def json_table(folder: Path, name: str) -> Any:
    """What the JSON file ``name`` of a suite's folder holds.

    Raises:
        BadSuite: when it is not there, or no JSON.
    """
    table = folder / name
    try:
        return json.loads(table.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadSuite(
            f"{str(table)!r} cannot be read ({type(error).__name__}): name the folder with the benchmark's {name}."
        ) from None


def folder_of(path: str | Path, what: str) -> Path:
    """A suite's folder.

    Raises:
        BadSuite: when there is none.
    """
    folder = Path(path)
    if not os.path.isdir(folder):  # Path.is_dir raises for a name that is too long
        raise BadSuite(f"there is no folder {str(folder)!r}: name the folder of {what}.")
    return folder
