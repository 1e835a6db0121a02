"""The house keeps its measure: short functions, short files, and a first line that says what a file is."""

import ast
from pathlib import Path

import retouch

PACKS = Path(__file__).parent.parent / "integrations"
FILES = sorted([*Path(retouch.__file__).parent.rglob("*.py"), *PACKS.rglob("*.py")])


def test_no_file_is_over_300_lines_and_no_function_over_60():
    long = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > 300:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > 60:
                    long.append(f"{path}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_every_file_says_first_what_it_is():
    assert not [path for path in FILES if not path.read_text(encoding="utf-8").startswith('"""')]
