"""A run's folder: what was run, the cases' pictures, the edits, a line for each finished edit, and its measures.

::

    run.json                          suite, model, methods and settings, seeds, environment
    cases/CASE/case.json, input.png   what is asked; mask.png and truth.png where the suite has them
    edits/METHOD/CASE.SEED.png        the edit; its record is inside too
    records/SHARD.jsonl               a line for each finished edit
    measures/SHARD.jsonl              a line for each measured edit
    results/SHARD.parquet             all of it as one table, an edit a row

An edit is finished once its picture is renamed into place: the record in the picture brings back a line that a kill cut
off, so that nothing finished is lost or done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from PIL import Image

from retouch import __version__
from retouch.atomic import UNFINISHED
from retouch.picture import write_picture
from retouch.runs.files import (
    BadRun,
    alone,
    clear_unfinished,
    filled,
    lock,
    make_folder,
    opened_picture,
    put_text,
    read_json,
    read_lines,
    slug,
    undamaged,
)
from retouch.runs.manifest import FORMAT, Manifest, Record, joined
from retouch.suites.suite import Case, Entry


@dataclass(frozen=True)
class Run:
    """A run's folder, opened; see :meth:`create` and :meth:`open`."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run, to be looked at.

        Args:
            folder: of the run.

        Raises:
            BadRun: when the folder holds none, or one of another format.
        """
        where = Path(folder)
        if not os.path.isfile(where / "run.json"):  # Path.is_file raises for a name that is too long
            raise BadRun(f"{str(where)!r} holds no run: name a folder that `retouch bench` wrote.")
        state = read_json(where / "run.json")
        with undamaged(where / "run.json"):
            made_in, found = state["format"], state["retouch"]
        if made_in != FORMAT:
            raise BadRun(
                f"the run {str(where)!r} was made by another version of retouch ({found}), in a layout "
                f"that {__version__} does not read: read it with that version, or run the suite anew."
            )
        known = {one.name for one in fields(Manifest)}
        with undamaged(where / "run.json"):
            return cls(where, Manifest(**{key: value for key, value in state.items() if key in known}))

    @classmethod
    def create(cls, folder: str | Path, manifest: Manifest) -> Run:
        """A new run, or one to go on with: methods and seeds may be added, and scenes of a suite that has a count.

        Args:
            folder: new, empty, or of the same run.
            manifest: what the run is of.

        Raises:
            BadRun: when the folder holds something else, or a run of another suite, model, version or setting.
        """
        where = Path(folder)
        make_folder(where)
        with alone(where):  # shards that are started together write one manifest
            known = cls.open(where).manifest if (where / "run.json").exists() else None
            if known is not None:
                run = cls(where, joined(known, manifest, where))
            elif any(not name.startswith(UNFINISHED) for name in os.listdir(where)):
                raise BadRun(f"{str(where)!r} is not empty and holds no run: name another folder.")
            else:
                run = cls(where, joined(manifest, manifest, where))  # whose seeds are whose is said from the first
            text = json.dumps(asdict(run.manifest), indent=1)
            if known is None or text != json.dumps(asdict(known), indent=1):
                put_text(where / "run.json", text)
            clear_unfinished(where)
        return run

    def cases(self) -> list[Entry]:
        """The entries of all cases that were begun, by id."""
        return [self._entry(path) for path in sorted(self.folder.glob("cases/*/case.json"))]

    def case(self, name: str) -> Case | None:
        """A stored case with its pictures; None when there is none yet.

        Args:
            name: its id.
        """
        folder = self.folder / "cases" / slug(name)
        if not (folder / "case.json").is_file():
            return None

        def picture(part: str, mode: str) -> Image.Image | None:
            path = folder / f"{part}.png"
            with undamaged(path):
                return opened_picture(path).convert(mode) if path.is_file() else None

        shown = picture("input", "RGB")
        if shown is None:
            raise BadRun(f"{str(folder / 'input.png')!r} is not there: the run is damaged, begin it anew.")
        return Case(self._entry(folder / "case.json"), shown, picture("mask", "L"), picture("truth", "RGB"))

    def store(self, case: Case) -> None:
        """Keeps a case's pictures, so that a report needs the run's folder alone.

        Args:
            case: as the suite opened it.
        """
        folder, entry = self.folder / "cases" / slug(case.entry.id), case.entry
        make_folder(folder)
        for part, image in (("input", case.picture), ("mask", case.mask), ("truth", case.truth)):
            if image is not None:
                write_picture(image, folder / f"{part}.png", force=True)
        state: dict[str, Any] = {"id": entry.id, "kind": entry.kind, "source": entry.source, "target": entry.target}
        state |= {"about": dict(entry.about), "settings": dict(entry.settings)}
        if entry.chain:
            state |= {"chain": entry.chain, "step": entry.step}
        put_text(folder / "case.json", json.dumps(state, ensure_ascii=False))

    def records(self) -> list[Record]:
        """Every finished edit, each once, in the order of cases, methods and seeds."""
        methods = list(self.manifest.methods)
        rank = {name: number for number, name in enumerate(methods)}
        found = (record for record, _ in self._found().values())
        return sorted(found, key=lambda one: (one.case, rank.get(one.method, len(rank)), one.seed))

    def shards(self) -> dict[tuple[str, str, int], str]:
        """Who made each edit, as in the names of files: by the keys of :meth:`records`."""
        return {key: shard for key, (_, shard) in self._found().items()}

    def _found(self) -> dict[tuple[str, str, int], tuple[Record, str]]:
        """By key the record that counts, and the name of the file it is in."""
        found: dict[tuple[str, str, int], tuple[Record, str]] = {}
        for path in sorted(self.folder.glob("records/*.jsonl")):
            for row in read_lines(path):
                with undamaged(path):
                    record = Record(**row)
                before, _ = found.get(record.key, (None, ""))
                if before is None or before.error or not filled(self.edit_path(before)):
                    found[record.key] = record, path.stem
        return found

    def finished(self) -> dict[tuple[str, str, int], Record]:
        """The records by key, without those whose picture is gone."""
        records = {record.key: record for record in self.records()}
        return {key: one for key, one in records.items() if one.error or filled(self.edit_path(one))}

    def edit_path(self, record: Record) -> Path:
        """Where the picture of a record is.

        Args:
            record: one of :meth:`records`.
        """
        return self.folder / "edits" / slug(record.method) / f"{slug(record.case)}.{record.seed}.png"

    def edit(self, record: Record) -> Image.Image:
        """The picture of a record.

        Args:
            record: one of :meth:`records`.

        Raises:
            BadPicture: when it is not there or damaged.
        """
        return opened_picture(self.edit_path(record)).convert("RGB")

    @contextmanager
    def appending(self, kind: str, shard: str) -> Iterator[IO[bytes]]:
        """The file of lines that one shard writes, "records" or "measures"; a line that a kill cut off is dropped.

        Args:
            kind: of the lines.
            shard: as in the file's name.

        Raises:
            BadRun: when another process has it open.
        """
        path = self.folder / kind / f"{shard.replace('/', '-of-')}.jsonl"
        make_folder(path.parent)
        with path.open("a+b") as file:
            lock(file, f"another process works on the shard {shard} of {str(self.folder)!r}: let it, or end it.")
            file.seek(0)
            whole = file.read()
            if not whole.endswith(b"\n"):
                file.truncate(whole.rfind(b"\n") + 1)
            yield file

    @staticmethod
    def _entry(path: Path) -> Entry:
        state = read_json(path)
        with undamaged(path):
            named = {key: state[key] for key in ("id", "kind", "target", "source", "about", "settings")}
            return Entry(**named, chain=state.get("chain", ""), step=state.get("step", 0))
