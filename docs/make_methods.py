"""Writes docs/methods.md from the methods' own declarations; a test keeps it current."""

from pathlib import Path

from retouch.methods.catalogue import parts
from retouch.methods.choice import AXES
from retouch.methods.composition import Composed
from retouch.methods.registry import methods
from retouch.parameters import parameters_of


def table(owner: type) -> list[str]:
    """The parameters of a method or of a part."""
    lines = ["| parameter | default | range | meaning |", "|---|---|---|---|"]
    for p in parameters_of(owner):
        default = "none" if p.default in (None, "") else p.default
        allowed = p.range().replace("|", "\\|")
        meaning = p.help.replace("|", "\\|") + (f" ({p.source})" if p.source else "")
        lines.append(f"| `{p.name}` | {default} | {f'{allowed} {p.unit}'.strip()} | {meaning} |")
    return lines


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Methods",
        "",
        "Made by `python docs/make_methods.py` from the declarations in `src/retouch/methods`. N is the number of",
        "network evaluations (rows of a batch) of one edit with the default settings; it is counted in a test. Where",
        "a fit may end early it is the most there can be.",
        "",
        f"| method | good for | N | source prompt | {' | '.join(AXES)} | paper |",
        "|---|---|---|---|" + "---|" * len(AXES) + "---|",
    ]
    for name, method in methods().items():
        needs = "needed" if method.needs_source else "not needed"
        composed = issubclass(method, Composed)
        made_of = " | ".join(method.parts.values() if composed else (method.made_of(), *["–"] * (len(AXES) - 1)))
        lines.append(
            f"| [`{name}`](#{name}) | {method.good_for} | {method().evaluations()} | {needs} | {made_of} "
            f"| {method.paper} |"
        )
    lines += [
        "",
        "Inversion, control and guidance can be exchanged: [composition.md](composition.md).",
    ]
    for name, method in methods().items():
        lines += ["", f"## {name}", "", f"{method.title}: {method.good_for}.", "", *table(method)]
    return "\n".join(lines) + "\n"


def composition() -> str:
    """The parts that methods are made of, in Markdown: the end of docs/composition.md."""
    lines = []
    for axis, choices in parts().items():
        lines += ["", f"## --{axis}"]
        for name, part in choices.items():
            lines += ["", f"**`{name}`**: {part.summary}."]
            if parameters_of(part):
                lines += ["", *table(part)]
    return "\n".join(lines) + "\n"


MARK = "<!-- from here on made by docs/make_methods.py -->\n"


def with_parts(text: str) -> str:
    """docs/composition.md with its end made anew."""
    return text[: text.index(MARK) + len(MARK)] + composition()


if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "methods.md").write_text(page())
    composed = folder / "composition.md"
    composed.write_text(with_parts(composed.read_text()))
