"""Prints the table of docs/models.md: every method on every family of models in every form, as the tests try them."""

import tempfile
from pathlib import Path

from tests.matrix import table

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(table(Path(folder)))
