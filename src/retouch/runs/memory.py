"""The most memory that some work took."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Measures the body of a ``with``: ``mib`` is then the most that was in use, above what was in use before.

    On a GPU it counts what torch allocates; on the CPU of a Linux machine the process's resident memory, after what was
    freed before has been given back. None elsewhere.
    """

    mib: float | None = None

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before: float | None = torch.cuda.memory_allocated(self.device) / 2**20
        else:
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)  # else the body would reuse what earlier work freed, and look small
            with suppress(OSError):
                _RESET.write_text("5")  # forgets the greatest size so far
            self._before = _resident("VmRSS")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda = self.device.type == "cuda"
        after = torch.cuda.max_memory_allocated(self.device) / 2**20 if cuda else _resident("VmHWM")
        if after is not None and self._before is not None:
            self.mib = max(0.0, after - self._before)


def _resident(field: str) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    return None
