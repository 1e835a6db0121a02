"""The site's tree is the repository's, so that links between its files hold on the site as they do in the files.

Pages of docs/ keep their place below the root; what they link to outside of docs/ (README, model cards, examples,
figures) is taken along, and so on. A link to what is not there is left for MkDocs to find.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, set_exclusions

_LINK = re.compile(r"\]\(([^)#\s]+)|(?:src|href)=\"([^\"#]+)\"")
_AS_PAGES = {".py": "python", ".ipynb": "", ".toml": "toml"}


class Shown(File):
    """A program, a notebook or a folder, shown as a page."""

    def is_documentation_page(self) -> bool:
        return True

    @property
    def content_string(self) -> str:
        assert self.abs_src_path is not None
        path = Path(self.abs_src_path)
        if path.is_dir():
            names = (one.relative_to(path).as_posix() for one in _files_in(path))
            return f"# {path.name}/\n\n" + "".join(f"- [{name}]({path.name}/{name})\n" for name in names)
        if path.suffix == ".ipynb":
            return "\n\n".join(map(_cell, json.loads(path.read_text())["cells"]))
        return f"# {path.name}\n\n```{_AS_PAGES[path.suffix]}\n{path.read_text()}```\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs once it has found the files of docs/ and of the theme."""
    root = Path(config.config_file_path).parent
    found, theme = dict[str, File](), []
    for file in files:
        if file.src_dir == config.docs_dir:
            name = (Path(config.docs_dir) / file.src_uri).relative_to(root).as_posix()
            found[name] = _file(root, name, config)
        else:
            theme.append(file)
    set_exclusions(found.values(), config)
    waiting = ["README.md", *(name for name, file in found.items() if file.inclusion.is_included())]
    while waiting:
        name = waiting.pop()
        found.setdefault(name, _file(root, name, config))
        waiting += [one for one in _linked(root, name) if one not in found]
    set_exclusions(found.values(), config)
    return Files([*theme, *found.values()])


def _file(root: Path, name: str, config: MkDocsConfig) -> File:
    kind = Shown if (root / name).is_dir() or Path(name).suffix in _AS_PAGES else File
    return kind(name, str(root), config.site_dir, config.use_directory_urls)


def _linked(root: Path, name: str) -> Iterator[str]:
    """The files of the repository that a page links to, from its root."""
    path = root / name
    if path.is_dir():
        yield from (one.relative_to(root).as_posix() for one in _files_in(path))
    elif path.suffix == ".md":
        for match in _LINK.finditer(path.read_text()):
            target = (path.parent / (match[1] or match[2])).resolve()
            if target.exists() and target.is_relative_to(root) and target != root:
                yield target.relative_to(root).as_posix()


def _files_in(folder: Path) -> list[Path]:
    """Of a folder the files that are shown as pages."""
    return sorted(one for one in folder.rglob("*") if one.suffix in (".md", *_AS_PAGES) and "egg-info" not in str(one))


def _cell(cell: dict[str, str | list[str]]) -> str:
    text = "".join(cell["source"])
    return text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
