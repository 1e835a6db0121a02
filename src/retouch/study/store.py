"""A study on the disk: its settings, questions, raters' sheets and answers, in one SQLite file of the run's folder."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from retouch import __version__
from retouch.runs.run import Run
from retouch.study.ballot import Answer, BadAnswer, ForgedToken, Standing, UnknownRater
from retouch.study.database import complete, connected, is_study, piece, sentences, write_tables
from retouch.study.questions import CHOICES, BadStudy, Question, Settings, all_questions, choice_of, value_of
from retouch.study.sheets import Item, sheet
from retouch.study.tokens import is_made

FILE = "study.sqlite"


class Study:
    """An opened study; every method may be called from any thread.

    An answer is on the disk when :meth:`answer` returns: each is a transaction of its own, in a write-ahead log that
    is synchronised at every commit.

    Attributes:
        path: of the SQLite file.
        settings, questions: what was chosen, and what is asked.
        secret: keys the names that pictures have on the pages.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection, self._lock = path, connection, Lock()
        state = dict(connection.execute("SELECT name, value FROM study"))
        self.settings = Settings(**json.loads(state["settings"]))
        self.methods: dict[str, Any] = json.loads(state["methods"])
        self.secret = bytes.fromhex(state["secret"])
        self.questions = [
            Question(*row)
            for row in connection.execute(
                "SELECT kind, case_id, seed, first, second, aspect, check_kind, stranger FROM question ORDER BY number"
            )
        ]

    @classmethod
    @contextmanager
    def opened(cls, run: Run, given: Mapping[str, Any] | None = None) -> Iterator[Study]:
        """The study of a run, begun where there is none.

        Args:
            given: those of the settings that were named; the others are the study's own, or the defaults for a new one.

        Raises:
            BadStudy: when the file is damaged or no study's, or the study asks other questions; else as
                :func:`retouch.study.questions.all_questions`.
            BadParameter: for a setting that cannot be.
        """
        path, named = run.folder / FILE, dict(given or {})
        settings = Settings(**named)
        asked = [] if path.exists() else all_questions(run, settings)  # what is refused leaves no file behind
        with connected(path) as connection:
            if not is_study(path, connection):
                _create(path, connection, run, settings, asked or all_questions(run, settings))
            study = _read(path, connection)
            study._check(run, named)
            yield study

    @classmethod
    @contextmanager
    def existing(cls, run: Run) -> Iterator[Study]:
        """The study of a run, for its answers.

        Raises:
            BadStudy: when there is none, or its file is damaged or no study's.
        """
        path = run.folder / FILE
        nothing = BadStudy(f"{str(run.folder)!r} has no study yet: begin one with `retouch study {run.folder}`.")
        if not path.is_file():
            raise nothing
        with connected(path) as connection:
            if not is_study(path, connection):
                raise nothing
            yield _read(path, connection)

    def join(self, token: str) -> int:
        """A new rater's number, with a sheet; the same rater for the same token, so that a token has one ballot.

        Args:
            token: secret, the rater's alone; made by :func:`retouch.study.tokens.made` with this study's secret.

        Raises:
            ForgedToken, BadStudy: for one that was not, and when the disk does not take it.
        """
        with self._transaction() as connection:
            known = connection.execute("SELECT number FROM rater WHERE token = ?", (token,)).fetchone()
            if known:
                return int(known[0])
            if not is_made(self.secret, token):
                raise ForgedToken("this form is not the first page's: begin there.")
            made = connection.execute("INSERT INTO rater (token, began) VALUES (?, ?)", (token, time.time()))
            number = int(made.lastrowid or 0)
            items = sheet(self.questions, self.settings, number)
            connection.executemany(
                "INSERT INTO sheet VALUES (?, ?, ?, ?)",
                [(number, i, item.question, item.swapped) for i, item in enumerate(items, start=1)],
            )
            return number

    def standing(self, token: str) -> Standing:
        """Where a rater stands; UnknownRater is raised for a token of no rater."""
        with self._reading() as connection:
            rater = _rater(connection, token)
            total, answered = connection.execute(
                "SELECT (SELECT count(*) FROM sheet WHERE rater = ?1), (SELECT count(*) FROM answer WHERE rater = ?1)",
                (rater,),
            ).fetchone()
            rows = connection.execute(
                "SELECT position, sheet.question, swapped FROM sheet LEFT JOIN answer USING (rater, question) "
                "WHERE sheet.rater = ? AND value IS NULL ORDER BY position LIMIT 2",
                (rater,),
            ).fetchall()
        items = [Item(question, bool(swapped)) for _, question, swapped in rows]
        return Standing(answered, total, rows[0][0] if rows else total + 1, items)

    def last(self, token: str) -> Standing:
        """The rater's last answer, to be looked at again.

        Raises:
            UnknownRater, BadAnswer: for a token of no rater, and when there is none yet.
        """
        standing = self.standing(token)
        with self._reading() as connection:
            row = connection.execute(
                "SELECT position, sheet.question, swapped, value FROM sheet JOIN answer USING (rater, question) "
                "WHERE sheet.rater = ? ORDER BY position DESC LIMIT 1",
                (_rater(connection, token),),
            ).fetchone()
        if row is None:
            raise BadAnswer("there is no answer to go back to yet.")
        item = Item(row[1], bool(row[2]))
        chosen = choice_of(self.questions[item.question], item.swapped, row[3])
        return Standing(standing.answered, standing.total, row[0], [item], chosen)

    def answer(self, token: str, position: int, choice: str) -> bool:
        """Keeps an answer; the first one to a question stays, unless :meth:`change` replaces it.

        Args:
            position: of the item on the rater's sheet.
            choice: one of the question's :data:`retouch.study.questions.CHOICES`.

        Returns:
            whether it was the first.

        Raises:
            UnknownRater: for a token of no rater.
            BadAnswer: for an item that was not shown yet or is not on the sheet, or for no such choice.
            BadStudy: when the disk does not take it.
        """
        with self._transaction() as connection:
            rater, question, value, answered = self._given(connection, token, position, choice)
            if position > answered + 1:  # items are answered in order
                raise BadAnswer(f"question {answered + 1} comes before question {position}.")
            kept = connection.execute(
                "INSERT INTO answer VALUES (?, ?, ?, ?) ON CONFLICT (rater, question) DO NOTHING",
                (rater, question, value, time.time()),
            )
            return kept.rowcount == 1

    def change(self, token: str, position: int, choice: str) -> bool:
        """Replaces the rater's last answer; the old one is kept beside it, with the times of both.

        Arguments and errors are those of :meth:`answer`.

        Returns:
            whether it was replaced: not where it is the same, nor where a later question is answered by now.
        """
        with self._transaction() as connection:
            rater, question, value, answered = self._given(connection, token, position, choice)
            if position > answered:
                raise BadAnswer(f"question {position} has no answer to change yet.")
            where = (rater, question)
            before = connection.execute(
                "SELECT value, at FROM answer WHERE rater = ? AND question = ?", where
            ).fetchone()
            if position < answered or before[0] == value:
                return False
            now = time.time()
            connection.execute("INSERT INTO replaced VALUES (?, ?, ?, ?, ?)", (*where, *before, now))
            connection.execute(
                "UPDATE answer SET value = ?, at = ? WHERE rater = ? AND question = ?", (value, now, *where)
            )
            return True

    def changes(self) -> int:
        """How many answers were replaced."""
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM replaced").fetchone()[0])

    def answers(self) -> list[Answer]:
        """All answers, those to checks among them, in the order they were given."""
        with self._reading() as connection:
            rows = connection.execute("SELECT rater, question, value FROM answer ORDER BY at, rowid").fetchall()
        return [Answer(rater, self.questions[question], value) for rater, question, value in rows]

    def finished(self) -> set[int]:
        """The raters who answered their whole sheet."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT sheet.rater FROM sheet LEFT JOIN answer USING (rater, question) "
                "GROUP BY sheet.rater HAVING count(*) = count(value)"
            ).fetchall()
        return {rater for (rater,) in rows}

    def _given(
        self, connection: sqlite3.Connection, token: str, position: int, choice: str
    ) -> tuple[int, int, int, int]:
        """The rater, the question, what the choice counts as, and how many questions the rater has answered."""
        rater = _rater(connection, token)
        row = connection.execute(
            "SELECT question, swapped FROM sheet WHERE rater = ? AND position = ?", (rater, position)
        ).fetchone()
        if row is None:
            raise BadAnswer(f"there is no question {position} on this sheet.")
        question = self.questions[row[0]]
        if choice not in CHOICES[question.kind]:
            raise BadAnswer(f"the choice must be one of: {', '.join(CHOICES[question.kind])}.")
        (answered,) = connection.execute("SELECT count(*) FROM answer WHERE rater = ?", (rater,)).fetchone()
        return rater, row[0], value_of(question, bool(row[1]), choice), answered

    def _check(self, run: Run, named: Mapping[str, Any]) -> None:
        """Refuses other settings than the study's, and edits made otherwise than those it asks about."""
        before = asdict(self.settings)
        for name, value in named.items():
            if value != before[name]:
                option = "--" + name.replace("_", "-")
                raise BadStudy(
                    f"{str(self.path)!r} holds a study with {option} {before[name]!r}, and {value!r} was given: leave "
                    f"{option} out to go on with it, or move the file away to begin another."
                )
        for label, method in self.methods.items():
            if _plain(run.manifest.methods.get(label)) != method:
                raise BadStudy(
                    f"{str(self.path)!r} asks about edits by {label} that this run does not have: move the file away "
                    "to begin another study."
                )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Writes in one piece, or not at all."""
        with self._lock, sentences(self.path), piece(self._connection):
            yield self._connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, sentences(self.path):
            yield self._connection


def _rater(connection: sqlite3.Connection, token: str) -> int:
    row = connection.execute("SELECT number FROM rater WHERE token = ?", (token,)).fetchone()
    if row is None:
        raise UnknownRater("this link belongs to no rater of this study: begin from the study's first page.")
    return int(row[0])


def _create(
    path: Path, connection: sqlite3.Connection, run: Run, settings: Settings, questions: Sequence[Question]
) -> None:
    methods = dict.fromkeys(m for one in questions for m in (one.first, one.second) if m)
    state = {
        "settings": json.dumps(asdict(settings)),
        "methods": json.dumps({label: _plain(run.manifest.methods.get(label)) for label in methods}),
        "secret": secrets.token_hex(16),
        "retouch": __version__,
    }
    write_tables(path, connection, state, questions)


def _read(path: Path, connection: sqlite3.Connection) -> Study:
    complete(path, connection)
    with sentences(path):
        try:
            return Study(path, connection)
        except (KeyError, TypeError, ValueError) as error:
            raise sqlite3.DatabaseError(f"what it says of itself cannot be read, {type(error).__name__}") from None


def _plain(value: Any) -> Any:  # as JSON gives it back
    return json.loads(json.dumps(value))
