"""``python -m retouch.diorama.train STAGE``: runs one stage of the training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from retouch.diorama.train import STAGES, run
from retouch.errors import RetouchError


def main() -> int:
    """Reads the command line and runs the stage; 2 where the user can put something right."""
    parser = argparse.ArgumentParser(prog="python -m retouch.diorama.train", description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--recipe", default="cpu", help="table of recipes.toml")
    parser.add_argument("--folder", type=Path, default=Path("runs/diorama"))
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    given = parser.parse_args()
    try:
        made = run(given.stage, given.recipe, given.folder, given.steps, given.threads)
    except RetouchError as error:
        print(error, file=sys.stderr)
        return 2
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
