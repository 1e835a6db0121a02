"""The machine as Retouch finds it: versions, processor, memory, devices, and which optional parts are there."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from retouch.runs.environment import processor

LIBRARIES = ("retouch", "torch", "diffusers", "transformers", "peft", "pillow", "numpy", "safetensors")
PURPOSES = {
    "bench": "reports of benchmark runs, their tables, the user study's page",
    "ray": "runs and batches spread over the machines of a cluster",
    "app": "the web app, `retouch app`",
    "notebook": "edits that show themselves in notebooks",
}
"""What the optional parts are for, by the name of the extra that brings them."""


def versions() -> dict[str, str]:
    """Python's version and those of the libraries that are there, by name."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def machine() -> dict[str, Any]:
    """System, processor, cores that this process may use, torch's threads, and memory in bytes (None: unknown)."""
    return {
        "system": platform.platform(), "processor": processor(), "cores": _cores(),
        "threads": torch.get_num_threads(), "memory": _memory(),
    }  # fmt: skip


def devices() -> list[dict[str, Any]]:
    """What torch computes on, the best last: name, what it is, and memory in bytes, of all and free (None: unknown)."""
    found: list[dict[str, Any]] = [{"device": "cpu", "what": processor(), "memory": _memory(), "free": None}]
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "what": "Apple GPU", "memory": None, "free": None})
    for number in range(torch.cuda.device_count()) if torch.cuda.is_available() else ():
        free, total = torch.cuda.mem_get_info(number)
        what = torch.cuda.get_device_name(number)
        found.append({"device": f"cuda:{number}", "what": what, "memory": total, "free": free})
    return found


def optional_parts() -> list[dict[str, Any]]:
    """The extras that the package declares: what each is for, which of its packages are missing, how to get it."""
    extras: dict[str, list[str]] = {}
    for line in requires("retouch") or []:
        needed, _, condition = line.partition(";")
        named = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", condition)
        package = re.match(r"[\w.-]+", needed.strip())
        if named and package and named[1] != "dev" and package[0] != "retouch":
            extras.setdefault(named[1], []).append(package[0])
    return [
        {
            "name": name, "for": PURPOSES.get(name, ""), "missing": [one for one in packages if not _there(one)],
            "get": f"pip install 'retouch[{name}]'",
        }
        for name, packages in extras.items()
    ]  # fmt: skip


def _there(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _cores() -> int:
    with suppress(AttributeError):  # not every system says
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int | None:
    """What this process may use: the machine's, or less where its control group says so."""
    found = list[int]()
    with suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(ValueError, OSError):  # "max" is no number
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found, default=None)
