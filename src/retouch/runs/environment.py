"""What a run's figures depend on besides its settings."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch


def environment(device: torch.device) -> dict[str, Any]:
    """What a run's figures depend on besides its settings: versions, machine, threads."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found: dict[str, Any] = {
        "date": now,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": processor(),
    }
    for name in ("torch", "diffusers", "transformers", "peft", "torchmetrics", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found |= {"device": str(device), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def processor() -> str:
    """The name of the processor, as the system says it."""
    names = Path("/proc/cpuinfo")
    for line in names.read_text().splitlines() if names.is_file() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
