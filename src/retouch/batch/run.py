"""A batch made: what is finished is found again, what is left goes through an executor, each edit written whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from retouch.batch.check import MARK, made_before
from retouch.batch.row import Row
from retouch.batch.thumbs import Thumbs
from retouch.errors import RetouchError
from retouch.picture import read_mask, read_picture, write_picture
from retouch.runs.edits import Executor, Made, Work
from retouch.runs.files import clear_unfinished, lock, make_folder
from retouch.suites.suite import Case, Entry

FITS = ".fits"
"""The folder, in that of the outputs, of the states of unfinished fits."""

Result = dict[str, Any]
"""A row's outcome, JSON-ready: what was asked, ``status`` ("made", "failed", "left"), what one that is made cost."""


@dataclass(frozen=True)
class Words:
    """Who helps with words.

    Attributes:
        caption: says what a picture shows, where its row does not; None for nobody.
        advise: what a user should hear of (picture, source, target, negative prompt), in sentences.
        name: of the captioner: another one makes other edits.
    """

    caption: Callable[[Image.Image], str] | None = None
    advise: Callable[[Image.Image, str, str, str], Sequence[str]] | None = None
    name: str = ""


@dataclass
class Batch:
    """The rows of a batch, or of a shard of it, and their folder.

    Attributes:
        rows: those to be made, with their digests.
        results: by output, what there is of them.
        made: how many were finished by :meth:`run`.
    """

    folder: Path
    rows: Sequence[tuple[Row, str]]
    words: Words = field(default_factory=Words)
    results: dict[str, Result] = field(default_factory=dict)
    thumbs: Thumbs = field(default_factory=Thumbs)
    made: int = 0

    def find_finished(self) -> None:
        """Takes in the outputs that are there and are of these very edits."""
        for row, digest in self.rows:
            path = self.folder / row.output
            recipe = made_before(path) if path.is_file() else None
            if recipe is not None and recipe[MARK].get("digest") == digest:
                self.results[row.output] = _made(row, recipe)

    def left(self) -> list[tuple[Row, str]]:
        """The rows that are not finished, with their digests."""
        return [(row, digest) for row, digest in self.rows if self.status(row) != "made"]

    def status(self, row: Row) -> str:
        """How far a row is: "made", "failed" or "left"."""
        return str(self.results.get(row.output, {}).get("status", "left"))

    def run(
        self, executor: Executor, *, progress: Callable[[int, int, str], None] | None = None,
        tell: Callable[[Result], None] | None = None,
    ) -> None:  # fmt: skip
        """Makes what is left; an edit that fails is a result with its reason.

        Args:
            progress: called with (rows done, rows that were left, the last one's output).
            tell: called with each result, once its picture is on the disk.

        Raises:
            BadPicture: when the disk takes no more; what is finished stays.
        """
        left = self.left()
        of = {f"{row.output} {digest}": (row, digest) for row, digest in left}
        captions, done = dict[str, tuple[str, list[str]]](), 0

        def finish(row: Row, result: Result) -> None:
            nonlocal done
            done += 1
            self.results[row.output] = result
            if tell:
                tell(result)
            if progress:
                progress(done, len(left), row.output)

        def works() -> Iterator[Work]:
            for name, (row, _) in of.items():
                try:
                    yield self._work(name, row, captions)
                except (RetouchError, OSError) as error:
                    finish(row, _failed(row, str(error)))

        for made in executor(works()):
            row, digest = of[made.record.case]
            finish(row, self._finished(row, digest, made, *captions.pop(made.record.case, ("", []))))
        with suppress(OSError):
            (self.folder / FITS).rmdir()

    def _work(self, name: str, row: Row, captions: dict[str, tuple[str, list[str]]]) -> Work:
        """The work of a row, its pictures open."""
        opened = read_picture(row.picture)
        mask = None if row.mask is None else read_mask(row.mask)
        caption = self.words.caption(opened.image) if row.needs_caption and self.words.caption else ""
        source, notes = row.source or caption, list(opened.notes)
        if self.words.advise:
            negative = str(row.variant.asked.get("negative_prompt", ""))
            notes += self.words.advise(opened.image, source, row.target, negative)
        captions[name] = caption, notes
        self.thumbs.take(row.output, "before", opened.image)
        entry = Entry(name, "all", row.target, source or None)
        label, fits = row.variant.label, self.folder / FITS
        return Work(
            Case(entry, opened.image, mask),
            [(label, row.seed)],
            {label: row.variant},
            fits,
            mask is not None,
            apart=True,
        )

    def _finished(self, row: Row, digest: str, made: Made, caption: str, notes: Sequence[str]) -> Result:
        """Writes an edit, and says what came out."""
        if made.image is None:
            return _failed(row, made.record.error)
        mark = {
            "digest": digest, "seconds": made.record.seconds, "evaluations": made.record.evaluations,
            "notes": list(dict.fromkeys([*notes, *made.notes])), **({"caption": caption} if caption else {}),
        }  # fmt: skip
        recipe = {**(made.recipe or {}), MARK: mark}
        if isinstance(recipe.get("picture"), dict):  # an executor is given the open picture, not the file
            recipe["picture"] = {**recipe["picture"], "name": row.picture.name}
        write_picture(made.image, self.folder / row.output, recipe=recipe, force=True)
        self.thumbs.take(row.output, "after", made.image)
        self.made += 1
        return _made(row, recipe)


@contextmanager
def opened(folder: Path, shards: int = 1) -> Iterator[None]:
    """The folder of a batch, made and kept from other batches in the body; shards share it.

    Raises:
        BadRun: when it cannot be made, or another process works in it.
    """
    make_folder(folder)
    refusal = f"another batch works in {str(folder)!r}: let it finish, or end it."
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        yield
        return
    try:
        lock(handle, refusal, shared=shards > 1)
        clear_unfinished(folder)
        yield
    finally:
        os.close(handle)


def _made(row: Row, recipe: Mapping[str, Any]) -> Result:
    mark = recipe[MARK]
    return {
        **row.told(), "status": "made", "source": recipe.get("source"), "method": recipe.get("method"),
        "captioned": bool(mark.get("caption")), "untouched": recipe.get("untouched"),
        "seconds": None if mark.get("seconds") is None else round(mark["seconds"], 2),
        "evaluations": mark.get("evaluations"), "notes": mark.get("notes", []),
    }  # fmt: skip


def _failed(row: Row, reason: str) -> Result:
    return {**row.told(), "status": "failed", "error": reason, "date": time.strftime("%Y-%m-%d %H:%M:%S")}
