"""The commands as help lists them: in groups, each in a few words, with examples that the tests parse and run."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import NamedTuple

EDIT, RESULTS, MEASURE, KNOW = "Edit", "Results", "Measure", "Know"
MORE = "More"
"""The group of commands that have no line here."""


class About(NamedTuple):
    """What help says of a command.

    Attributes:
        group: the panel it stands in.
        short: what it does, in at most 24 letters, which two panels beside each other leave.
        examples: command lines, each at most 76 letters.
    """

    group: str
    short: str
    examples: tuple[str, ...]


COMMANDS: dict[str, About] = {
    "edit": About(
        EDIT,
        "one picture by text",
        (
            "retouch edit cat.png -o blue.png --to 'a blue cat sitting on a beach'",
            "retouch edit cat.png -o b.png --to 'a blue cat' --mask mask.png --seed 3",
        ),
    ),
    "batch": About(
        EDIT,
        "many edits from a table",
        (
            "retouch batch edits.csv -o results",
            "retouch batch photos -o results --to 'a street in the snow' --batch 4",
            "retouch batch - -o results < edits.jsonl",
        ),
    ),
    "fit": About(EDIT, "one fit for many edits", ("retouch fit cat.png -o cat.safetensors --to 'a jumping cat'",)),
    "sweep": About(
        EDIT,
        "samples from one fit",
        ("retouch sweep cat.png --fit cat.safetensors -o sheet.png --etas 0.5,0.7,0.9",),
    ),
    "compare": About(
        EDIT,
        "several methods at once",
        ("retouch compare cat.png -o sheet.png --to 'a blue cat' --methods ddim,sdedit",),
    ),
    "mask": About(EDIT, "a thing by word or click", ("retouch mask cat.png -o mask.png --word cat",)),
    "keep": About(EDIT, "only the change put back", ("retouch keep cat.png blue.png -o kept.png",)),
    "app": About(RESULTS, "the studio, a web page", ("retouch app --port 7861",)),
    "show": About(RESULTS, "how a picture was made", ("retouch show blue.png", "retouch show blue.png --json")),
    "redo": About(RESULTS, "the same edit again", ("retouch redo blue.png -o again.png",)),
    "recipe": About(RESULTS, "the recipe as JSON", ("retouch recipe blue.png",)),
    "bench": About(
        MEASURE,
        "methods on a suite",
        ("retouch bench diorama -o run --methods ddim,sdedit --count 2 --kinds colour",),
    ),
    "judge-edits": About(
        MEASURE,
        "edits by any tool",
        (
            "retouch judge-edits --before photos --after results",
            "retouch judge-edits --before photos --after mine=results -o judged --json",
        ),
    ),
    "report": About(MEASURE, "what came out of a run", ("retouch report run --format markdown",)),
    "study": About(MEASURE, "people judge edits", ("retouch study run --port 7862",)),
    "suites": About(MEASURE, "what bench can run", ("retouch suites folder",)),
    "measures": About(MEASURE, "what bench can measure", ("retouch measures --json",)),
    "methods": About(KNOW, "methods, their settings", ("retouch methods prox-npi", "retouch methods --json")),
    "models": About(KNOW, "how models are named", ("retouch models diorama",)),
    "diorama": About(
        KNOW,
        "the painted world",
        ("retouch diorama paint 'a red cat sitting on a beach' -o cat.png --seed 3",),
    ),
    "doctor": About(KNOW, "what is here, and a test", ("retouch doctor",)),
    "completion": About(KNOW, "for bash, zsh, fish", ('eval "$(retouch completion bash)"',)),
}

WITHIN: dict[str, tuple[str, ...]] = {
    "bench speed": (
        "retouch bench speed --methods ddim,prox-npi --steps 10",
        "retouch bench speed --model sd15-shape --steps 2 --methods ddim",
    ),
    "diorama paint": (
        "retouch diorama paint 'a red cat sitting on a beach' -o cat.png --seed 3",
        "retouch diorama paint 'a dog' -o dog.png --side 512 --mask dog-mask.png",
    ),
    "diorama judge": ("retouch diorama judge cat.png",),
    "diorama train": ("retouch diorama train all --recipe tiny --folder runs/tiny",),
    "diorama evaluate": ("retouch diorama evaluate --scenes 16 --parts judge",),
}
"""Examples of commands within others, as above."""


def about(name: str) -> About:
    """What help says of a command; one that has no line here stands under "More"."""
    return COMMANDS.get(name, About(MORE, "", ()))


def told(command: Callable[..., None]) -> str:
    """What a command says of itself, a paragraph a line: the terminal breaks them."""
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def epilog(name: str) -> str:
    """The examples of a command, named by all its words, as its help shows them, a paragraph each."""
    lines = WITHIN.get(name) or about(name).examples
    return "\n\n".join(["Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])
