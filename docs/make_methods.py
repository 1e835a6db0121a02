"""Writes docs/methods.md from the methods' own declarations; a test keeps it current."""

from pathlib import Path

from retouch.methods.registry import methods
from retouch.parameters import parameters_of


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Methods",
        "",
        "Made by `python docs/make_methods.py` from the declarations in `src/retouch/methods`. N is the number of",
        "network evaluations (rows of a batch) of one edit with the default settings; it is counted in a test.",
        "",
        "| method | good for | N | source prompt | paper |",
        "|---|---|---|---|---|",
    ]
    for name, method in methods().items():
        needs = "needed" if method.needs_source else "not needed"
        lines.append(
            f"| [`{name}`](#{name}) | {method.good_for} | {method().evaluations()} | {needs} | {method.paper} |"
        )
    for name, method in methods().items():
        lines += ["", f"## {name}", "", f"{method.title}: {method.good_for}.", ""]
        lines += ["| parameter | default | range | meaning |", "|---|---|---|---|"]
        for p in parameters_of(method):
            default = "none" if p.default in (None, "") else p.default
            allowed = p.range().replace("|", "\\|")
            meaning = p.help.replace("|", "\\|") + (f" ({p.source})" if p.source else "")
            lines.append(f"| `{p.name}` | {default} | {f'{allowed} {p.unit}'.strip()} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "methods.md").write_text(page())
