"""TEdBench (Kawar et al., Imagic, 2023): pictures and target texts; no source prompts, no masks."""

from __future__ import annotations

import json
from pathlib import Path

from retouch.evaluate.suites.suite import BadSuite, Case, Entry, Suite, case_from_files, check_entries, folder_of


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
        table = where / "input_list.json"
        try:
            rows = json.loads(table.read_text(encoding="utf-8"))
            pairs = [(str(row["img_name"]), str(row["target_text"])) for row in rows]
        except FileNotFoundError:
            raise BadSuite(f"there is no {str(table)!r}: name the folder that holds it and originals/.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise BadSuite(
                f'{str(table)!r} is not a list of {{"img_name", "target_text"}} ({type(error).__name__}).'
            ) from None
        self.entries = [
            Entry(
                f"{name}-{text.strip().rstrip('.').replace(' ', '_')}", "all", text.strip(),
                files={"picture": where / "originals" / name},
            )
            for name, text in pairs
        ]  # fmt: skip
        check_entries(self.entries, repr(str(table)))
        self.identity = {"suite": self.name, "edits": sorted(entry.id for entry in self.entries)}

    def case(self, entry: Entry) -> Case:
        """Picture alone."""
        return case_from_files(entry)
