"""What a suite is: named edits in a fixed order, each opened when its turn comes."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from retouch.errors import RetouchError
from retouch.parameters import parameter
from retouch.picture import Note, notes_of, opened_mask, read_picture
from retouch.quantity import Quantity


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
        chain: names edits in a row, each of which is made on the result of the one before; "" for an edit by itself.
            Their cases hold the picture that the first is made on, which all are measured against, and a mask of all
            that any of them may change.
        step: which of its chain it is, from 1; 0 for an edit by itself.
    """

    id: str
    kind: str
    target: str
    source: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    chain: str = ""
    step: int = 0


@dataclass(frozen=True)
class Case:
    """An entry with its pictures.

    Attributes:
        picture: RGB.
        mask: L of its size, 255 where the edit may change things; None where nothing says.
        truth: the right answer, for suites that know it.
        notes: what was done to its files on the way in, for suites that read files; a run does not keep it.
    """

    entry: Entry
    picture: Image.Image
    mask: Image.Image | None = None
    truth: Image.Image | None = None
    notes: Sequence[Note] = ()


class Suite(ABC):
    """Edits in a fixed order, where their pictures come from, and all that is to be known of them.

    A subclass says what it is in class attributes. Its own options are the fields of a dataclass, declared with
    :func:`option` as a method's parameters are: from there come the options of ``retouch bench``, their checks and the
    tables. ``__post_init__`` reads what the options name, and sets ``entries`` and ``identity``.

    Attributes:
        name: on the command line.
        summary: what it is, in a line.
        needs: what must be there before it can be run, such as a folder to be downloaded; "" for nothing.
        verdicts: what it says of edits itself, see :meth:`judge`; they stand before the measures.
        main: the measures or verdicts that methods are ranked by; the first that a run has counts.
        published: by method, the settings that the suite's published results were made with, given to methods when a
            run asks for the suite's settings; those of an entry go before them.
        identity: which edits it holds, JSON-ready, with its name under "suite": a run is only continued by a suite of
            the same identity, or by one with a larger "count", which holds the edits of the smaller. A report learns
            from "edits", or from "kinds" times "count", how many there are.
        entries: all edits.
        notes: what there is to say of what was read, in sentences for the user.
        settings_notes: what more there is to say of the settings of its entries, where a run asks for them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[str] = ""
    verdicts: ClassVar[Sequence[Quantity]] = ()
    main: ClassVar[Sequence[str]] = ()
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    identity: Mapping[str, Any]
    entries: Sequence[Entry]
    notes: Sequence[str] = ()
    settings_notes: Sequence[str] = ()

    @abstractmethod
    def case(self, entry: Entry) -> Case:
        """Opens the pictures of one entry.

        Args:
            entry: one of ``entries``.

        Raises:
            BadPicture, BadSuite: when one cannot be read or does not fit the other.
        """

    def judge(self, cases: Sequence[Case], edits: Sequence[Image.Image]) -> Mapping[str, Sequence[float]]:
        """What the suite says of edits: under the name of each of :attr:`verdicts` a value for each edit, NaN for none.

        Args:
            cases: as the run keeps them: entry, picture, and mask and truth where the suite has them.
            edits: RGB, one for each case, of its picture's size.
        """
        return {}

    def missing(self) -> dict[str, list[Path]]:
        """The files that are not there, by entry."""
        # Path.is_file raises for a name that is too long, as of a prompt in the place of a picture
        lacking = {
            entry.id: [path for path in entry.files.values() if not os.path.isfile(path)] for entry in self.entries
        }
        return {name: paths for name, paths in lacking.items() if paths}


def option(help: str, *, default: Any = MISSING, low: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that declares an option of a suite.

    Args:
        help: what it is, in a line.
        default: its value where none is given; without one it must be given. Its type is the option's: a whole number,
            a number, yes or no, or text.
        low: the smallest number.
        choices: all that it may be.
    """
    return parameter(default, help, low=low, choices=choices, kind="text" if default is MISSING else None)


def case_from_files(entry: Entry) -> Case:
    """The case of an entry whose ``files`` are "picture" and, perhaps, "mask".

    Raises:
        BadPicture: when one cannot be read.
        BadSuite: when the mask has another size than the picture.
    """
    read = read_picture(entry.files["picture"])
    picture = read.image
    if "mask" not in entry.files:
        return Case(entry, picture, notes=notes_of(read))
    marked = opened_mask(entry.files["mask"])
    mask = marked.image
    if mask.size != picture.size:
        raise BadSuite(
            f"the mask {str(entry.files['mask'])!r} is {mask.width} x {mask.height} and its picture is "
            f"{picture.width} x {picture.height}: give one of the picture's size."
        )
    return Case(entry, picture, mask, notes=notes_of(read, marked))


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
    """The entries of shard (i, n): of the ids in order every n-th from the i-th on, however the suite is sorted.

    A chain counts as one.
    """
    share, shards = shard
    if shards == 1:
        return list(suite.entries)
    mine = set(sorted({entry.chain or entry.id for entry in suite.entries})[share::shards])
    return [entry for entry in suite.entries if (entry.chain or entry.id) in mine]


def chains_of(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries of each chain in the order of their steps; one that is in none alone."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.chain, "" if entry.chain else entry.id), []).append(entry)
    return [sorted(chain, key=lambda entry: entry.step) for chain in found.values()]


def identity_of(suite: str, entries: Sequence[Entry], named: Sequence[Any]) -> dict[str, Any]:
    """A suite's ``identity``: how many edits it holds, and a digest of what they ask for, in any order.

    What the files hold is left out: a picture that was missing at first may be added later.

    Args:
        named: for each entry, which picture and mask the suite's table names, JSON-ready and as it does: the suite's
            folder may move.
    """
    asked = sorted(
        json.dumps(
            [entry.id, entry.kind, entry.source, entry.target, dict(entry.settings), of_files, *_place(entry)],
            sort_keys=True,
        )
        for entry, of_files in zip(entries, named, strict=True)
    )
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
    return {"suite": suite, "edits": len(entries), "digest": digest}


def _place(entry: Entry) -> list[Any]:
    """Where an entry is in a chain; nothing where it is in none."""
    return [entry.chain, entry.step] if entry.chain else []


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


def folder_of(path: str | os.PathLike[str], what: str) -> Path:
    """A suite's folder.

    Raises:
        BadSuite: when there is none.
    """
    folder = Path(path)
    if os.path.isfile(folder):
        raise BadSuite(f"{str(folder)!r} is a file: name the folder of {what}.")
    if not os.path.isdir(folder):  # Path.is_dir raises for a name that is too long
        raise BadSuite(f"there is no folder {str(folder)!r}: name the folder of {what}.")
    return folder
