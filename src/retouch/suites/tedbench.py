"""TEdBench (Kawar et al., Imagic, 2023): pictures and target texts; no source prompts, no masks."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from os import PathLike

from retouch.suites.suite import (
    BadSuite,
    Case,
    Entry,
    Suite,
    case_from_files,
    check_entries,
    folder_of,
    identity_of,
    json_table,
    option,
)

_COLUMNS = ("img_name", "target_text")


@dataclass(eq=False)
class TEdBench(Suite):
    """The public layout: ``input_list.json``, a list of ``{"img_name", "target_text"}``, and ``originals/``.

    An id is ``{img_name}-{target text without its final ".", spaces as "_"}``, as the published outputs are named; the
    extension stays, since bird.jpeg and bird.png are two pictures.

    Raises:
        BadSuite: when the folder or its list is not there or not of this layout.
    """

    name = "tedbench"
    summary = "TEdBench: pictures and target texts, no source prompts, no masks"
    needs = "the benchmark's folder on your disk, with input_list.json and originals/"

    main = ("clip_score",)

    data: str | PathLike[str] = option("the benchmark's folder")

    def __post_init__(self) -> None:
        where = folder_of(self.data, "TEdBench")
        rows = json_table(where, "input_list.json")
        table = f"the input_list.json of {str(where)!r}"
        if not isinstance(rows, list):
            raise BadSuite(f'{table} is not a list: expected one of {{"img_name", "target_text"}}.')
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _COLUMNS):
                raise BadSuite(
                    f'{table} is not a list of {{"img_name", "target_text"}}, both text: number {number} of it is '
                    f"{reprlib.repr(row)}."
                )
        pairs = [(row["img_name"], row["target_text"]) for row in rows]
        self.entries = [
            Entry(
                f"{name}-{text.strip().rstrip('.').replace(' ', '_')}", "all", text.strip(),
                files={"picture": where / "originals" / name},
            )
            for name, text in pairs
        ]  # fmt: skip
        check_entries(self.entries, table)
        self.identity = identity_of(self.name, self.entries, [name for name, _ in pairs])

    def case(self, entry: Entry) -> Case:
        """Picture alone."""
        return case_from_files(entry)
