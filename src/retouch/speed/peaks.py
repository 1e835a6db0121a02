"""What GPUs could compute at most, by their names."""

from __future__ import annotations

import torch

_PEAKS: tuple[tuple[str, float, float | None, float | None], ...] = (
    ("B200", 75, 2250, 2250),
    ("H200", 67, 989, 989),
    ("H100 NVL", 60, 835, 835),
    ("H100 PCIe", 51, 756, 756),
    ("H100", 67, 989, 989),
    ("A100", 19.5, 312, 312),
    ("L40S", 91.6, 362, 362),
    ("L4", 30.3, 121, 121),
    ("A10G", 31.5, 70, 70),
    ("A10", 31.2, 125, 125),
    ("V100", 15.7, None, 125),
    ("T4", 8.1, None, 65),
    ("RTX 4090", 82.6, 165, 165),
    ("RTX 3090", 35.6, 71, 71),
)
"""Parts of names, and dense TFLOP/s in float32, bfloat16 and float16 with sums in float32, by the makers' data sheets.

The first that fits counts. In float32 it is that of the ordinary units: where torch lets convolutions use TF32, as it
does by itself, a network may get beyond it."""


def peak_flops(card: str, dtype: torch.dtype) -> float | None:
    """FLOP/s of a card in a precision at most; None for those that are not known.

    Args:
        card: as ``torch.cuda.get_device_name`` calls it.
    """
    at = {torch.float32: 1, torch.bfloat16: 2, torch.float16: 3}.get(dtype)
    words = card.replace("-", " ").split()
    found = next((row for row in _PEAKS if _within(row[0].split(), words)), None)
    value = None if found is None or at is None else found[at]
    return None if value is None else float(value) * 1e12


def card_name(device: torch.device) -> str | None:
    """What the GPU is called; None for what is no CUDA device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def _within(part: list[str], words: list[str]) -> bool:
    return any(words[i : i + len(part)] == part for i in range(len(words)))
