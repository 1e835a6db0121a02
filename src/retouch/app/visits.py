"""Visits: what one visitor has on the page, a tree of pictures among it, known by a token and forgotten when idle."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retouch.app.pictures import outline, thumbnail
from retouch.app.queue import Job
from retouch.app.tasks import Made, Task
from retouch.errors import RetouchError

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
IDLE = 3600.0
"""Seconds without a word after which a visit is forgotten."""
MOST_VISITS = 500
MOST_BYTES = 256 * 2**20
"""Of the pictures of one visit; the oldest that nothing hangs on are forgotten for new ones."""


class NoVisit(RetouchError):
    """There is no visit of that token, or no more."""


class TooManyVisits(RetouchError):
    """Nobody more is let in."""


Drawn = tuple[bytes, bytes | None]
"""A picture small, and the outline of what changed in it."""


def drawn_of(picture: bytes, made: Made | None = None) -> Drawn:
    """What is drawn of a picture."""
    changed = None if made is None else made.changed
    return thumbnail(picture), None if changed is None else outline(changed)


@dataclass
class Node:
    """A picture of a visit's history.

    Attributes:
        parent: the number of the picture that it is an edit of; None for one that was brought or painted.
        picture: PNG; of an edit with the recipe inside.
        outline: of what changed, PNG with alpha; None where that is not known, or nothing did.
    """

    number: int
    parent: int | None
    label: str
    picture: bytes
    size: tuple[int, int]
    thumb: bytes = b""
    outline: bytes | None = None
    made: Made | None = None
    group: int = 0
    notes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """What it takes of the memory."""
        return len(self.picture) + len(self.thumb) + len(self.outline or b"")


@dataclass
class Visit:
    """What one visitor has on the page.

    Attributes:
        current: the picture that is edited.
        shown: the edit that is looked at.
        mask: where edits may happen, PNG (L); ``masks`` counts its changes.
        beside: pictures beside the one that is edited, PNG: "foreground", where the subject is, and "reference".
        form: what the controls of the page hold, as they were last sent or brought back; ``brought``: the names of
            those that were brought back, time after time.
        said: the last thing to tell; ``says`` counts them.
        lock: held for what takes no time, as every look at the visit waits for it.
        changes: counts whatever the page shows of the visit.
        key: tells its pictures from those of other visits in a browser's cache.
    """

    token: str
    nodes: dict[int, Node] = field(default_factory=dict)
    current: int | None = None
    shown: int | None = None
    mask: bytes | None = None
    masks: int = 0
    beside: dict[str, bytes] = field(default_factory=dict)
    jobs: list[Job[Task]] = field(default_factory=list)
    form: dict[str, Any] = field(default_factory=dict)
    brought: list[tuple[str, ...]] = field(default_factory=list)
    said: tuple[str, ...] = ()
    says: int = 0
    bad: bool = False
    changes: int = 0
    seen: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(6))
    _number: int = 0
    _group: int = 0

    def add(
        self, picture: bytes, size: tuple[int, int], label: str, parent: int | None = None, made: Made | None = None,
        group: int = 0, notes: tuple[str, ...] = (), drawn: Drawn | None = None,
    ) -> Node:  # fmt: skip
        """A picture more in the history; where memory is full the oldest leaf goes that nobody looks at.

        Args:
            drawn: what is drawn of it, which takes time, where that was done before.
        """
        self._number += 1
        small, line = drawn or drawn_of(picture, made)
        node = Node(
            self._number, parent, label, picture, size, small, line, made, group, notes
        )  # fmt: skip
        self.nodes[node.number] = node
        self._make_room(node)
        return node

    def next_group(self) -> int:
        """A number for edits that belong together."""
        self._group += 1
        return self._group

    def say(self, *sentences: str, bad: bool = False) -> None:
        """Tells the visitor something."""
        if sentences:
            self.said, self.says, self.bad = sentences, self.says + 1, bad
            self.changes += 1

    def bring_back(self, form: Mapping[str, Any]) -> None:
        """Puts values into the page's controls; those that are not named stay as they are there."""
        self.form = {**self.form, **form}
        self.brought.append(tuple(form))
        self.changes += 1

    def brought_since(self, number: int) -> dict[str, Any]:
        """What was put into the controls since that was done ``number`` times."""
        names = {name for names in self.brought[max(0, number) :] for name in names}
        return {name: self.form[name] for name in names}

    def line(self, node: Node) -> Iterator[Node]:
        """The picture and those that it came from, the nearest first."""
        at: Node | None = node
        while at is not None:
            yield at
            at = None if at.parent is None else self.nodes.get(at.parent)

    def _make_room(self, newest: Node) -> None:
        while sum(one.bytes for one in self.nodes.values()) > MOST_BYTES:
            parents = {one.parent for one in self.nodes.values()} | {job.parent for job in self.jobs if not job.over}
            kept = {newest.number, self.current, self.shown} | parents
            loose = [number for number in self.nodes if number not in kept]
            if not loose:
                return
            del self.nodes[loose[0]]


class Visits:
    """All visits.

    Args:
        idle: seconds without a word after which one is forgotten.
        gone: called with a visit that is.
    """

    def __init__(
        self, idle: float = IDLE, gone: Callable[[Visit], None] = lambda visit: None, most: int = MOST_VISITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._visits: dict[str, Visit] = {}
        self._idle, self._gone, self._most, self._clock = idle, gone, most, clock
        self._lock = threading.Lock()

    def begin(self) -> Visit:
        """A new visit under a token that nobody guesses.

        Raises:
            TooManyVisits: when there are too many.
        """
        self.forget_idle()
        with self._lock:
            if len(self._visits) >= self._most:
                raise TooManyVisits("too many people are here just now: come again later.")
            visit = Visit(secrets.token_urlsafe(24), seen=self._clock())
            self._visits[visit.token] = visit
            return visit

    def of(self, token: str | None, looking: bool = True) -> Visit:
        """The visit of a token; ``looking``: its visitor is there.

        Raises:
            NoVisit: when there is none.
        """
        with self._lock:
            visit = self._visits.get(token or "")
            if visit is None:
                raise NoVisit("this visit is over, and what was in it forgotten: reload the page for a new one.")
            visit.seen = self._clock() if looking else visit.seen
            return visit

    def forget_idle(self) -> None:
        """Forgets the visits that nobody was seen in for long, and ends what they have to do."""
        with self._lock:
            late = self._clock() - self._idle
            old = [one for one in self._visits.values() if one.seen < late]
            for visit in old:
                del self._visits[visit.token]
        for visit in old:
            self._gone(visit)

    def __len__(self) -> int:
        return len(self._visits)
