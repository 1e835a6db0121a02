"""Other packages as the tests see them: installed by path, without pip, a network or a trace left."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from retouch.measures import registry as measures
from retouch.methods import catalogue
from retouch.methods import registry as methods
from retouch.suites import registry as suites

TOY = Path(__file__).parent / "toy"


@contextmanager
def installed(site: Path, points: Mapping[str, Mapping[str, str]] | None = None) -> Iterator[None]:
    """The toy package as pip would have installed it, in this process and in those that it starts.

    Args:
        site: an empty folder for what pip would write.
        points: entry points by group, in place of the package's own.
    """
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    points = project["entry-points"] if points is None else points
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line for group, own in points.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in own.items()), "")
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        for place in (site, TOY):
            patched.syspath_prepend(place)
        before = [os.environ[name] for name in ("PYTHONPATH",) if os.environ.get(name)]
        patched.setenv("PYTHONPATH", os.pathsep.join([str(site), str(TOY), *before]))
        forget()
        yield
    forget()


def forget() -> None:
    """What was looked up before counts no longer."""
    for known in (methods.methods, catalogue.parts_of, suites.suites, measures.every):
        known.cache_clear()
