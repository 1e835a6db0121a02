"""A function over many pictures at once, on as many threads as torch computes with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Found = TypeVar("Found")


def spread(function: Callable[[Item], Found], items: Iterable[Item]) -> list[Found]:
    """What a function gives of each item, in order; for work that OpenCV and NumPy do, which lets other threads run."""
    several, threads = list(items), torch.get_num_threads()
    if threads == 1 or len(several) < 2:
        return [function(item) for item in several]
    with ThreadPoolExecutor(min(threads, len(several))) as pool:
        return list(pool.map(function, several))
