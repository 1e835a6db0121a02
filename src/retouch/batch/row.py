"""A row of a batch: one edit, with the name of its output, and the digest by which a finished one is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouch.errors import BadPicture, RetouchError
from retouch.runs.variants import Variant


@dataclass(frozen=True)
class Row:
    """One edit.

    Attributes:
        where: what messages call it, as "line 3".
        picture, mask: their files; ``shown`` is the picture as the table names it.
        source: what the picture shows; "" where somebody has to say.
        target: what it should show.
        output: the name of the file that it becomes.
        variant: the method with its settings, and what else is asked of the edit.
        seed: of everything random.
    """

    where: str
    picture: Path
    shown: str
    source: str
    target: str
    output: str
    variant: Variant
    seed: int = 0
    mask: Path | None = None

    @property
    def needs_caption(self) -> bool:
        """Whether somebody has to say what the picture shows."""
        return not self.source and self.variant.kind.needs_source

    def digest(self, made_by: str) -> str:
        """Of all that the edit depends on: an output that bears another digest is of another edit.

        Args:
            made_by: the model with all that is on top of it, and who writes captions.

        Raises:
            BadPicture: when a file is not there any more.
        """
        asked = [
            _of_file(self.picture), None if self.mask is None else _of_file(self.mask), self.source, self.target,
            self.seed, self.variant.stored(), made_by,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def told(self) -> dict[str, Any]:
        """What is asked, JSON-ready, as results and the summary say it."""
        variant = self.variant
        return {
            "row": self.where, "picture": self.shown, "output": self.output, "source": self.source or None,
            "target": self.target, **({"mask": str(self.mask)} if self.mask else {}), "asked": variant.method,
            "settings": {**variant.parts, **variant.settings}, **variant.asked, "keep": variant.keep,
            "seed": self.seed, **({} if variant.size is None else {"size": variant.size}),
        }  # fmt: skip


class Problems:
    """What is wrong with a batch.

    Args:
        rows: what messages call the rows, in their order.
    """

    def __init__(self, rows: Iterable[str] = ()) -> None:
        self._found: dict[str, dict[str, None]] = {"": {}, **{where: {} for where in rows}}

    @contextmanager
    def of(self, where: str) -> Iterator[None]:
        """What the body finds wrong with a row is noted, and the work goes on behind it."""
        try:
            yield
        except RetouchError as error:
            self.add(where, str(error))

    def add(self, where: str, sentence: str) -> None:
        """Notes what is wrong with a row, or under "" with the whole table."""
        self._found[where][sentence] = None

    def sentences(self) -> list[str]:
        """All, each with its row, in the order of rows."""
        return [f"{where}: {one}" if where else one for where, found in self._found.items() for one in found]


def _of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # it was there a moment ago
        raise BadPicture(f"{str(path)!r} cannot be read any more ({error.strerror}): check the path.") from None
