"""Looks at a suite's files before a run begins."""

from __future__ import annotations

from collections.abc import Sequence

from retouch.errors import BadPicture
from retouch.picture import Note
from retouch.suites.suite import BadSuite, Entry, Suite

_SHOWN = 20


def preflight(suite: Suite, entries: Sequence[Entry], notes: list[Note] | None = None) -> dict[str, str]:
    """What is wrong with a suite's files, a sentence by entry: absent, broken, or of sizes that do not agree.

    Args:
        notes: is given what was done to the files on the way in.
    """
    wrong = {name: f"there is no file {str(paths[0])!r}." for name, paths in suite.missing().items()}
    for entry in entries:
        if entry.files and entry.id not in wrong:
            try:
                case = suite.case(entry)
                if notes is not None:
                    notes += case.notes
            except (BadPicture, BadSuite) as error:
                wrong[entry.id] = str(error)
    return {entry.id: wrong[entry.id] for entry in entries if entry.id in wrong}


def unusable(suite: Suite, entries: Sequence[Entry], skip: bool, notes: list[Note] | None = None) -> list[str]:
    """The ids of entries whose files cannot be used.

    Args:
        notes: as for :func:`preflight`.

    Raises:
        BadSuite: naming them, unless they are to be skipped.
    """
    wrong = preflight(suite, entries, notes)
    if wrong and not skip:
        shown = [f"  {name}: {reason}" for name, reason in list(wrong.items())[:_SHOWN]]
        more = [f"  and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise BadSuite(
            f"{len(wrong)} of the suite's cases cannot be used; put them right, or leave them out with --skip-missing:",
            *shown, *more,
        )  # fmt: skip
    return list(wrong)
