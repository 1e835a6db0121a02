"""A run's folder: what was run, the cases' pictures, the edits, a line for each finished edit, and its measures.

::

    run.json                          suite, model, methods and settings, seeds, environment
    cases/CASE/case.json, input.png   what is asked; mask.png and truth.png where the suite has them
    edits/METHOD/CASE.SEED.png        the edit; its record is inside too
    records/SHARD.jsonl               a line for each finished edit
    measures/SHARD.jsonl              a line for each measured edit
    results.parquet                   all of it as one table, an edit a row

An edit is finished once its picture is renamed into place: the record in the picture brings back a line that a kill cut
off, so that nothing finished is lost or done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from PIL import Image

from retouch import __version__
from retouch.errors import BadPicture, RetouchError
from retouch.picture import read_recipe, write_picture
from retouch.suites.suite import Case, Entry
from retouch.whole import UNFINISHED, written_whole

FORMAT = 1
_HOUR = 3600.0


class BadRun(RetouchError):
    """A run's folder that cannot be used."""


@dataclass(frozen=True)
class Record:
    """One edit of a run.

    Attributes:
        case, kind: the entry's.
        method: its label in the run.
        seed: of everything random.
        seconds, evaluations: what it costs alone; an inversion it shares with others of the run is counted in full.
            None for outputs that others made.
        memory_mib: most memory in use during it, above what was in use before; None where it cannot be told.
        error: why there is no edit; "" otherwise.
        output: a digest of the file, of outputs that others made.
    """

    case: str
    kind: str
    method: str
    seed: int
    seconds: float | None
    evaluations: int | None
    memory_mib: float | None = None
    error: str = ""
    output: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it one of its kind: case, method and seed."""
        return self.case, self.method, self.seed


@dataclass(frozen=True)
class Manifest:
    """What was run.

    Attributes:
        suite: the suite's identity.
        model: its name and fingerprint.
        methods: by label, the method's name ("" for outputs that others made) and the settings it was given.
        seeds: of every edit; ``method_seeds`` by label where a method has only some of them, see :meth:`seeds_of`.
        environment: versions and machine that it was begun with; ``later``: others that it went on with.
    """

    suite: Mapping[str, Any]
    model: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Any]]
    seeds: Sequence[int]
    environment: Mapping[str, Any] = field(default_factory=dict)
    retouch: str = __version__
    format: int = FORMAT
    method_seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def seeds_of(self, label: str) -> Sequence[int]:
        """The seeds that a method's edits are made with; outputs that others made are there once."""
        own = self.method_seeds.get(label, self.seeds)
        return own if self.methods[label]["method"] else self.seeds[:1]


@dataclass(frozen=True)
class Run:
    """A run's folder, opened; see :meth:`create` and :meth:`open`."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run, to be looked at.

        Raises:
            BadRun: when the folder holds none, or one of another format.
        """
        where = Path(folder)
        try:
            state = json.loads((where / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BadRun(f"{str(where)!r} holds no run: name a folder that `retouch bench` wrote.") from None
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            found = state.get("retouch") if isinstance(state, dict) else None
            raise BadRun(
                f"the run {str(where)!r} was made by another version of retouch ({found or 'unknown'}), in a layout "
                f"that {__version__} does not read: read it with that version, or run the suite anew."
            )
        known = {one.name for one in fields(Manifest)}
        with undamaged(where / "run.json"):
            return cls(where, Manifest(**{key: value for key, value in state.items() if key in known}))

    @classmethod
    def create(cls, folder: str | Path, manifest: Manifest) -> Run:
        """A new run, or one to go on with: methods and seeds may be added, and scenes of a suite that has a count.

        Raises:
            BadRun: when the folder holds something else, or a run of another suite, model, version or setting.
        """
        where = Path(folder)
        _make(where)
        with alone(where):  # shards that are started together write one manifest
            if (where / "run.json").exists():
                run = cls(where, _joined(cls.open(where).manifest, manifest, where))
            elif any(not name.startswith(UNFINISHED) for name in os.listdir(where)):
                raise BadRun(f"{str(where)!r} is not empty and holds no run: name another folder.")
            else:
                run = cls(where, manifest)
            put_text(where / "run.json", json.dumps(asdict(run.manifest), indent=1))
            for left in where.rglob(f"{UNFINISHED}*"):  # what a kill left; younger ones may be of another shard
                with suppress(OSError):
                    if time.time() - left.stat().st_mtime > _HOUR:
                        left.unlink()
        return run

    def cases(self) -> list[Entry]:
        """The entries of all cases that were begun, by id."""
        return [self._entry(path) for path in sorted(self.folder.glob("cases/*/case.json"))]

    def case(self, name: str) -> Case | None:
        """A stored case with its pictures; None when there is none yet."""
        folder = self.folder / "cases" / slug(name)
        if not (folder / "case.json").is_file():
            return None

        def picture(part: str, mode: str) -> Image.Image | None:
            path = folder / f"{part}.png"
            with undamaged(path):
                return _opened(path).convert(mode) if path.is_file() else None

        shown = picture("input", "RGB")
        if shown is None:
            raise BadRun(f"{str(folder / 'input.png')!r} is not there: the run is damaged, begin it anew.")
        return Case(self._entry(folder / "case.json"), shown, picture("mask", "L"), picture("truth", "RGB"))

    def store(self, case: Case) -> None:
        """Keeps a case's pictures, so that a report needs the run's folder alone."""
        folder, entry = self.folder / "cases" / slug(case.entry.id), case.entry
        _make(folder)
        for part, image in (("input", case.picture), ("mask", case.mask), ("truth", case.truth)):
            if image is not None:
                write_picture(image, folder / f"{part}.png", force=True)
        state = {"id": entry.id, "kind": entry.kind, "source": entry.source, "target": entry.target}
        put_text(
            folder / "case.json",
            json.dumps({**state, "about": dict(entry.about), "settings": dict(entry.settings)}, ensure_ascii=False),
        )

    def records(self) -> list[Record]:
        """Every finished edit, each once, in the order of cases, methods and seeds."""
        found: dict[tuple[str, str, int], Record] = {}
        for path in sorted(self.folder.glob("records/*.jsonl")):
            for row in read_lines(path):
                with undamaged(path):
                    record = Record(**row)
                before = found.get(record.key)
                if before is None or before.error or not _filled(self.edit_path(before)):
                    found[record.key] = record
        methods = list(self.manifest.methods)
        rank = {name: number for number, name in enumerate(methods)}
        return sorted(found.values(), key=lambda one: (one.case, rank.get(one.method, len(rank)), one.seed))

    def finished(self) -> dict[tuple[str, str, int], Record]:
        """The records by key, without those whose picture is gone."""
        records = {record.key: record for record in self.records()}
        return {key: one for key, one in records.items() if one.error or _filled(self.edit_path(one))}

    def edit_path(self, record: Record) -> Path:
        """Where the picture of a record is."""
        return self.folder / "edits" / slug(record.method) / f"{slug(record.case)}.{record.seed}.png"

    def edit(self, record: Record) -> Image.Image:
        """The picture of a record.

        Raises:
            BadPicture: when it is not there or damaged.
        """
        return _opened(self.edit_path(record)).convert("RGB")

    @contextmanager
    def appending(self, kind: str, shard: str) -> Iterator[IO[bytes]]:
        """The file of lines that one shard writes, "records" or "measures"; a line that a kill cut off is dropped.

        Raises:
            BadRun: when another process has it open.
        """
        path = self.folder / kind / f"{shard.replace('/', '-of-')}.jsonl"
        _make(path.parent)
        with path.open("a+b") as file:
            _lock(file, f"another process works on the shard {shard} of {str(self.folder)!r}: let it, or end it.")
            file.seek(0)
            whole = file.read()
            file.truncate(whole.rfind(b"\n") + 1)
            yield file

    @staticmethod
    def _entry(path: Path) -> Entry:
        state = read_json(path)
        with undamaged(path):
            return Entry(**{key: state[key] for key in ("id", "kind", "target", "source", "about", "settings")})


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

    def adopt(self, wanted: Sequence[tuple[str, str, int]]) -> None:
        """Writes the lines of edits whose pictures are there without one."""
        known = {key for key, record in self.run.finished().items() if not record.error}
        for case, method, seed in wanted:
            place = self.run.edit_path(Record(case, "", method, seed, 0, 0))
            if (case, method, seed) in known or not _filled(place):
                continue
            with suppress(BadPicture, KeyError, TypeError):  # a picture without a record is made again
                inside = (read_recipe(place) or {})["bench"]
                self._append(Record(**inside))

    def finish(self, record: Record, image: Image.Image | None, recipe: Mapping[str, Any] | None = None) -> None:
        """An edit is done: its picture, then its line.

        Raises:
            BadPicture, BadRun: when the disk does not take it.
        """
        if image is not None:
            place = self.run.edit_path(record)
            _make(place.parent)
            write_picture(image, place, recipe={**(recipe or {}), "bench": asdict(record)}, force=True)
        self._append(record)

    def _append(self, record: Record) -> None:
        append(self._file, asdict(record))


def append(file: IO[bytes], row: Mapping[str, Any]) -> None:
    """One line, on the disk when this returns; a line that does not fit is taken back.

    Raises:
        BadRun: when the disk does not take it.
    """
    end = file.seek(0, os.SEEK_END)
    try:
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            file.truncate(end)
        raise BadRun(
            f"{file.name} could not be written ({error.strerror}): make room, and the same command goes on from here."
        ) from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of an append-only file; what a kill cut off is left out."""
    rows = []
    for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else []:
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def slug(name: str) -> str:
    """``name`` as a file's name: itself where it is plain and short, else what is plain of it and a digest."""
    plain = re.sub(r"[^\w.,=-]+", "_", name).encode()[:80].decode(errors="ignore")
    if plain == name and not plain.startswith("."):
        return plain
    return f"{plain.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _joined(before: Manifest, now: Manifest, where: Path) -> Manifest:
    """What a run is after it is gone on with."""
    _check_same(before, now, where)
    suite = max(before.suite, now.suite, key=lambda one: one.get("count", 0))
    own: dict[str, list[int]] = {}
    for one in (before, now):
        for label in one.methods:
            own[label] = list(dict.fromkeys([*own.get(label, []), *one.seeds_of(label)]))
    ours = any(method["method"] for method in now.methods.values())  # outputs of others have no seed of their own
    seeds = list(dict.fromkeys([*before.seeds, *(now.seeds if ours else ())]))
    return Manifest(
        suite, before.model, {**before.methods, **now.methods}, seeds,
        _went_on(before.environment, now.environment), method_seeds=own,
    )  # fmt: skip


def _went_on(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first environment, and those others that the run went on with."""

    def undated(one: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in one.items() if key not in ("date", "later")}

    known = [before, *before.get("later", ())]
    if any(undated(one) == undated(now) for one in known):
        return before
    return {**before, "later": [*before.get("later", ()), dict(now)]}


def _check_same(before: Manifest, now: Manifest, where: Path) -> None:
    if before.retouch != now.retouch:
        raise BadRun(
            f"the run {str(where)!r} was made by retouch {before.retouch}, and this is {now.retouch}: go on with that "
            "version, or name another folder."
        )
    if json.loads(json.dumps({**before.suite, "count": 0})) != json.loads(json.dumps({**now.suite, "count": 0})):
        raise BadRun(f"the run {str(where)!r} is of other edits than this suite's: name another folder.")
    if before.model != now.model:
        raise BadRun(
            f"the run {str(where)!r} was made with the model {before.model['name']!r} ({before.model['fingerprint']}), "
            f"and this is {now.model['name']!r} ({now.model['fingerprint']}): name another folder."
        )
    for label, method in now.methods.items():
        if label in before.methods and before.methods[label] != json.loads(json.dumps(method)):
            raise BadRun(
                f"the run {str(where)!r} has {label!r} with other settings: give this one a label of its own, as "
                f"--variant 'LABEL={label}:…', or name another folder."
            )


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except OSError as error:
        raise BadPicture(
            f"{str(path)!r} cannot be read ({type(error).__name__}): remove it, and run the suite again to remake it."
        ) from None


def _filled(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def read_json(path: Path) -> dict[str, Any]:
    """A small file of a run.

    Raises:
        BadRun: when it is not there, or no JSON object.
    """
    with undamaged(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("not an object")
        return found


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Reading a file of a run in the body: what is amiss becomes a sentence.

    Raises:
        BadRun: for what damaged files raise.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, BadPicture) as error:
        raise BadRun(
            f"{str(path)!r} is damaged ({type(error).__name__}): bring it back from a copy, or begin the run anew."
        ) from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRun(f"{str(folder)!r} cannot be made ({error.strerror}): name another folder.") from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a body for the same folder; nothing is left in it."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows
        yield
        return
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def put_text(path: Path, text: str) -> None:
    """Writes a small file in one piece.

    Raises:
        BadRun: when the disk does not take it.
    """
    _make(path.parent)
    try:
        with written_whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadRun(f"{str(path)!r} could not be written ({error.strerror}): make room, and run it again.") from None


def _lock(file: IO[bytes], refusal: str) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadRun(refusal) from None
    except OSError:  # some network disks have no locks
        return
