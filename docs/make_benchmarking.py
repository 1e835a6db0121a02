"""Writes the tables of docs/benchmarking.md from the declarations of suites and measures; a test keeps them current."""

import re
from dataclasses import MISSING
from pathlib import Path

from retouch.measures.registry import every
from retouch.quantity import spoken
from retouch.suites.registry import options_of, suites

PAGE = Path(__file__).parent / "benchmarking.md"
PARTS = (".inside", ".outside", ".edited")


def suite_table() -> list[str]:
    """A row for each suite."""
    lines = ["| suite | what it is | options | needs | says itself |", "|---|---|---|---|---|"]
    for name, kind in suites().items():
        options = "; ".join(
            f"`--{one.name.replace('_', '-')}` {one.help}"
            + ("" if one.default in (MISSING, "") else f", default {one.default}")
            for one in options_of(kind)
        )
        verdicts = "; ".join(f"`{one.name}`: {one.help}" for one in kind.verdicts)
        lines.append(f"| `{name}` | {kind.summary} | {options} | {kind.needs} | {verdicts} |")
    return lines


def measure_table() -> list[str]:
    """A row for each measure, with what becomes of it inside and outside the mask."""
    families: dict[str, list] = {}
    for name, one in every().items():
        families.setdefault(name.removesuffix(next(filter(name.endswith, PARTS), "")), []).append(one)
    lines = ["| measure | better | groups | definition |", "|---|---|---|---|"]
    for base, members in families.items():
        names = ", ".join(f"`{one.name if one.name == base else one.name.removeprefix(base)}`" for one in members)
        better = ", ".join(dict.fromkeys(spoken(one.better) for one in members))
        groups = ", ".join(dict.fromkeys(group for one in members for group in one.groups))
        meaning = "; ".join(f"{one.name.removeprefix(base).lstrip('.')}: {one.help}".lstrip(": ") for one in members)
        lines.append(f"| {names} | {better} | {groups} | {meaning} |")
    return lines


def page(text: str) -> str:
    """The page with its tables made anew."""
    for mark, lines in (("suites", suite_table()), ("measures", measure_table())):
        begin, end = f"<!-- {mark}: made by docs/make_benchmarking.py -->", f"<!-- end of {mark} -->"
        table = "\n".join([begin, *lines, end])
        text = re.sub(f"{begin}.*?{end}", lambda _, table=table: table, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
