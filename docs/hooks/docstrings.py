"""Docstrings as Markdown: roles become links to where the reference has the name, and doctests become code.

What a role names has to be in the package: where it is not, the build says so and fails.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from griffe import Alias, Attribute, Class, Extension, Function, Module, Object

_log = logging.getLogger("mkdocs.plugins.docstrings")
_ROLE = re.compile(r":(?:class|meth|func|attr|mod|data|exc):`(?P<short>~?)(?P<name>[\w.]+)`")
_SEVERAL = re.compile(r"^ +\w+(?:, \w+)+(?=: )", re.MULTILINE)
_DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*)*", re.MULTILINE)


class Docstrings(Extension):
    """The extension that griffe is told of in mkdocs.yml."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Rewrites every docstring of a package once it is read."""
        for item in _objects(pkg):
            if item.docstring is not None:
                text = _ROLE.sub(lambda match, item=item: _link(match, item, pkg), item.docstring.value)
                text = _SEVERAL.sub(lambda match, item=item: _several(match[0], item), text)
                item.docstring.value = _DOCTEST.sub(_fenced, text)
            if isinstance(item, Class):
                _without_private(item)


def _objects(item: Object) -> Iterator[Object]:
    yield item
    for member in item.members.values():
        if not isinstance(member, Alias):
            yield from _objects(member)


def _several(names: str, item: Object) -> str:
    """The names of a line that describes several, held together: griffe ends a name at the first space."""
    members = [item.members.get(name.strip()) for name in names.split(",")] if isinstance(item, Class) else []
    types = [str(one.annotation) for one in members if isinstance(one, Attribute)]
    held = names.replace(", ", ",\u00a0")
    return f"{held} ({', '.join(dict.fromkeys(types))})" if types else held


def _without_private(item: Class) -> None:
    """Leaves out of a dataclass's signature the fields that are nobody's business."""
    made = item.members.get("__init__")
    if isinstance(made, Function):
        for one in [one for one in made.parameters if one.name.startswith("_")]:
            del made.parameters[one.name]


def _link(match: re.Match[str], item: Object, package: Module) -> str:
    """A link where a page has the name, the name alone where none has."""
    name = match["name"]
    target = next(filter(None, (_path_of(full, package) for full in _meant(name, item))), None)
    if target is None:
        _log.warning(f"{item.path}: {match[0]} names nothing in {package.name}")
        return f"`{name}`"
    shown = name.rpartition(".")[2] if match["short"] or name.startswith(f"{package.name}.") else name
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'


def _meant(name: str, item: Object) -> Iterator[str]:
    """What a name in a docstring may stand for: a member of the class or module around it, or a whole path."""
    around: Object | None = item
    while around is not None:
        yield f"{around.path}.{name}"
        around = around.parent
    yield name


def _path_of(full: str, package: Module) -> str | None:
    """Where what a path names is defined; None where it names nothing."""
    first, *names = full.split(".")
    item: Object | Alias = package
    for name in names:
        homes = [item, *(item.mro() if isinstance(item, Class) else ())]
        home = next((one for one in homes if name in one.members), None)
        if home is None:
            return None
        item = home.members[name]
        if isinstance(item, Alias):
            item = item.final_target
    return item.path if first == package.name else None


def _fenced(match: re.Match[str]) -> str:
    return f"{match['indent']}```pycon\n{match[0]}\n{match['indent']}```"
