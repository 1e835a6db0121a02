"""TEdBench (Kawar et al., Imagic, 2023): pictures and target texts; no source prompts, no masks."""

from __future__ import annotations

from pathlib import Path

from retouch.evaluate.suites.suite import (
    BadSuite,
    Case,
    Entry,
    Suite,
    case_from_files,
    check_entries,
    folder_of,
    json_table,
)


class TEdBench(Suite):
    """The public layout: ``input_list.json``, a list of ``{"img_name", "target_text"}``, and ``originals/``.

    An id is ``{img_name}-{target text without its final ".", spaces as "_"}``, as the published outputs are named; the
    extension stays, since bird.jpeg and bird.png are two pictures.

    Raises:
        BadSuite: when the folder or its list is not there or not of this layout.
    """

    name = "tedbench"

    def __init__(self, folder: str | Path) -> None:
        where = folder_of(folder, "TEdBench")
        rows = json_table(where, "input_list.json")
        try:
            pairs = [(str(row["img_name"]), str(row["target_text"])) for row in rows]
        except (KeyError, TypeError) as error:
            raise BadSuite(
                f'the input_list.json of {str(where)!r} is not a list of {{"img_name", "target_text"}} '
                f"({type(error).__name__})."
            ) from None
        self.entries = [
            Entry(
                f"{name}-{text.strip().rstrip('.').replace(' ', '_')}", "all", text.strip(),
                files={"picture": where / "originals" / name},
            )
            for name, text in pairs
        ]  # fmt: skip
        check_entries(self.entries, f"the input_list.json of {str(where)!r}")
        self.identity = {"suite": self.name, "edits": sorted(entry.id for entry in self.entries)}

    def case(self, entry: Entry) -> Case:
        """Picture alone."""
        return case_from_files(entry)
