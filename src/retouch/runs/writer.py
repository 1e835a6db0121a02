"""How edits get into a run: pictures and records, each in one piece, a file of records for each shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, Any

from PIL import Image

from retouch.errors import BadPicture
from retouch.picture import read_recipe, write_picture
from retouch.runs.files import append, filled, make_folder
from retouch.runs.manifest import Record
from retouch.runs.run import Run


class Writer:
    """Appends to a run as one of its shards: pictures and records, each in one piece."""

    def __init__(self, run: Run, file: IO[bytes]) -> None:
        self.run, self._file = run, file

    @classmethod
    @contextmanager
    def opened(cls, run: Run, shard: str = "0/1") -> Iterator[Writer]:
        """The writer of one shard.

        Raises:
            BadRun: when another process works on the same shard of the run.
        """
        with run.appending("records", shard) as file:
            yield cls(run, file)

    def adopt(self, wanted: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], Record]:
        """Writes the lines of edits whose pictures are there without one.

        Returns:
            every finished edit of the run, as :meth:`retouch.runs.run.Run.finished`.
        """
        finished = self.run.finished()
        known = {key for key, record in finished.items() if not record.error}
        for case, method, seed in wanted:
            if (case, method, seed) in known:
                continue
            place = self.run.edit_path(Record(case, "", method, seed, 0, 0))
            if not filled(place):
                continue
            with suppress(BadPicture, KeyError, TypeError):  # a picture without a record is made again
                record = Record(**(read_recipe(place) or {})["bench"])
                self._append(record)
                finished[record.key] = record
        return finished

    def finish(self, record: Record, image: Image.Image | None, recipe: Mapping[str, Any] | None = None) -> None:
        """An edit is done: its picture, then its line.

        Raises:
            BadPicture, BadRun: when the disk does not take it.
        """
        if image is not None:
            place = self.run.edit_path(record)
            make_folder(place.parent)
            write_picture(image, place, recipe={**(recipe or {}), "bench": asdict(record)}, force=True)
        self._append(record)

    def _append(self, record: Record) -> None:
        append(self._file, asdict(record))
