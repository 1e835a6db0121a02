"""The SQLite file of a study: its tables, opened safely, written in one piece, its errors as sentences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path

from retouch.study.questions import BadStudy, Question

FORMAT = 1

_APPLICATION = 0x52545354  # "RTST", in the file's header
_SCHEMA = (
    "CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE question (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, case_id TEXT NOT NULL, seed INTEGER NOT "
    "NULL, first TEXT NOT NULL, second TEXT NOT NULL, aspect TEXT NOT NULL, check_kind TEXT NOT NULL, stranger TEXT "
    "NOT NULL)",
    "CREATE TABLE rater (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, began REAL NOT NULL)",
    "CREATE TABLE sheet (rater INTEGER NOT NULL REFERENCES rater, position INTEGER NOT NULL, question INTEGER NOT NULL "
    "REFERENCES question, swapped INTEGER NOT NULL, PRIMARY KEY (rater, position), UNIQUE (rater, question))",
    "CREATE TABLE answer (rater INTEGER NOT NULL, question INTEGER NOT NULL, value INTEGER NOT NULL, at REAL NOT NULL, "
    "UNIQUE (rater, question), FOREIGN KEY (rater, question) REFERENCES sheet (rater, question))",
)
_REPLACED = (  # answers that the rater took back; files of versions before it get it when they are opened
    "CREATE TABLE IF NOT EXISTS replaced (rater INTEGER NOT NULL, question INTEGER NOT NULL, value INTEGER NOT NULL, "
    "at REAL NOT NULL, until REAL NOT NULL, FOREIGN KEY (rater, question) REFERENCES sheet (rater, question))"
)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, opened so that what is committed is on the disk, and closed again.

    Raises:
        BadStudy: when it is damaged, or cannot be used.
    """
    with sentences(path):
        connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        with sentences(path):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
        yield connection
    finally:
        connection.close()


def is_study(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file holds a study; False for an empty one.

    Raises:
        BadStudy: when it holds something else.
    """
    with sentences(path):
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if tables and (application, version) != (_APPLICATION, FORMAT):
        other = "was made by another version of retouch" if application == _APPLICATION else "holds no study"
        raise BadStudy(f"{str(path)!r} {other}: move it away to begin one.")
    return bool(tables)


def write_tables(
    path: Path, connection: sqlite3.Connection, state: Mapping[str, str], questions: Sequence[Question]
) -> None:
    """Begins a study in an empty file; where another process was quicker, its study stays."""
    with sentences(path), piece(connection):
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.executemany("INSERT INTO study VALUES (?, ?)", state.items())
        connection.executemany(
            "INSERT INTO question VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(number, *astuple(question)) for number, question in enumerate(questions)],
        )
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def complete(path: Path, connection: sqlite3.Connection) -> None:
    """Adds what a study of an earlier version lacks; what it holds stays as it is, and that version still reads it."""
    with sentences(path):
        connection.execute(_REPLACED)


@contextmanager
def piece(connection: sqlite3.Connection) -> Iterator[None]:
    """What is done in the body is there as a whole, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # the error that led here is the one to be read
            connection.execute("ROLLBACK")
        raise


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """SQLite's errors as sentences.

    Raises:
        BadStudy: for each of them.
    """
    try:
        yield
    except sqlite3.OperationalError as error:  # the disk, the permissions, another process
        raise BadStudy(
            f"{str(path)!r} could not be used ({error}): look after the disk, the permissions and other processes."
        ) from None
    except sqlite3.DatabaseError as error:
        raise BadStudy(f"{str(path)!r} is damaged or no study ({error}): move it away to begin another.") from None
