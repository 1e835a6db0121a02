"""The public names are typed for whoever uses the package; their docstrings say what they take and what they refuse."""

import builtins
import logging
import re
from functools import cache
from pathlib import Path

import pytest

import retouch
from retouch import errors

griffe = pytest.importorskip("griffe", reason="the extra docs is not installed")

ROOT = Path(__file__).parent.parent
# these docstrings describe several arguments, or errors, in one line
HOW = {"warn_unknown_params": False, "warn_missing_types": False}
SAME = re.compile(r":meth:`(?:Editor\.)?edit`")
LOOKED_UP = ("Fit.weights",)  # what refuses nothing


@cache
def package():
    return griffe.load("retouch", search_paths=[ROOT / "src"])


def objects(item):
    yield item
    for member in item.members.values():
        if not member.is_alias:
            yield from objects(member)


def named(item, kind):
    """The names that a section of a docstring describes: "parameters", "attributes" or "raises"."""
    logging.disable()
    try:
        sections = item.docstring.parse("google", **HOW) if item.docstring else ()
    finally:
        logging.disable(logging.NOTSET)
    lines = [line for section in sections if section.kind.value == kind for line in section.value]
    of = (lambda line: str(line.annotation)) if kind == "raises" else (lambda line: line.name)
    return {name.strip(" ()") for line in lines for name in of(line).split(",")}


def arguments(item):
    return {one.name.lstrip("*") for one in item.parameters} - {"self", "cls"}


def functions():
    """The public functions, and methods of public classes, by a short name."""
    for name in retouch.__all__:
        item = package().members[name]
        item = item.final_target if item.is_alias else item
        if item.is_function:
            yield name, item
        elif item.is_class:
            yield from ((f"{name}.{one.name}", one) for one in item.functions.values() if one.name[0] != "_")


def listed():
    """Functions and methods that the reference lists, but for the hooks of methods and parts, whose types say all."""
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for path, options in re.findall(r"^::: retouch\.(\S+)(?:\n    options: (.*))?", page.read_text(), re.MULTILINE):
            item, wanted = package()[path], re.search(r"members: (?:\[(.*)\]|false)", options)
            if page.name in ("methods.md", "errors.md") or (wanted and wanted[1] is None):
                continue
            names = wanted[1].split(", ") if wanted else [name for name in item.members if name[0] != "_"]
            for one in [item.members[name] for name in names] if item.is_module else [item]:
                if one.is_alias:
                    continue
                if one.is_function:
                    yield one
                elif one.is_class:
                    yield from (each for each in one.functions.values() if each.name[0] != "_")


def test_every_argument_that_the_reference_lists_is_documented():
    of_edit = named(package()["editor.Editor.edit"], "parameters")
    lacking = {}
    for function in listed():
        told = named(function, "parameters") | (of_edit if SAME.search(function.docstring.value) else set())
        lacking[function.path] = arguments(function) - told
    assert not {path: names for path, names in lacking.items() if names} and len(lacking) > 80


def test_every_argument_of_the_public_names_is_documented():
    of_edit = named(package()["editor.Editor.edit"], "parameters")
    lacking = {}
    for name, function in functions():
        told = named(function, "parameters") | (of_edit if SAME.search(function.docstring.value) else set())
        lacking[name] = arguments(function) - told
    assert not {name: names for name, names in lacking.items() if names} and len(lacking) > 10


def test_errors_of_the_public_names_are_documented():
    silent = [
        name for name, function in functions()
        if arguments(function) and name not in LOOKED_UP
        and not named(function, "raises") and not SAME.search(function.docstring.value)
    ]  # fmt: skip
    assert not silent


def test_docstrings_name_no_argument_that_there_is_not():
    wrong = {}
    for item in objects(package()):
        if item.is_function or item.is_class:
            fields = {one.name for one in item.all_members.values() if one.is_attribute} if item.is_class else set()
            wrong[item.path] = named(item, "parameters") - arguments(item) - fields
    assert not {path: names for path, names in wrong.items() if names} and len(wrong) > 1000


def test_docstrings_name_no_error_that_there_is_not():
    known = {name for name in dir(builtins) if isinstance(getattr(builtins, name), type)} | {*vars(errors)}
    known |= {item.name for item in objects(package()) if item.is_class}
    wrong = {item.path: named(item, "raises") - known for item in objects(package()) if item.docstring}
    assert not {path: names for path, names in wrong.items() if names}


def test_checkers_look_at_the_types():
    """What uses the public names is checked by ``make test`` itself: tests/typed/uses.py."""
    assert (Path(retouch.__file__).parent / "py.typed").exists(), "without it no checker looks at the types"
