"""The bytes of all tensors that are alive at the same time, at their most: counted, with or without values."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

_SCALAR, _EQUAL = torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default
_NONZERO, _INDEX = torch.ops.aten.nonzero.default, torch.ops.aten.index.Tensor


class LiveBytes(TorchDispatchMode):
    """Counts, in the body, the storages of what operators give, from when they are made until nobody holds them.

    A tensor without values that is asked for one says 0.5, 1 or true, so that code which looks at losses and extremes
    goes on; two such tensors are never equal, and what a mask picks from one is all of it.

    Args:
        weights: tensors that were there before: they and views of them are not counted.
        resident: bytes that lie beside these at the moment, as those of the weights.

    Attributes:
        now, peak: bytes counted and resident, at the moment and at their most.
    """

    def __init__(self, weights: Iterable[Tensor] = (), resident: Callable[[], int] = lambda: 0) -> None:
        super().__init__()
        self._resident, self._counted, self.peak = resident, 0, 0
        self._known: dict[int, Any] = {}
        self._kept = [one.untyped_storage() for one in weights]  # held, so that none of their numbers is given anew
        self._known |= {storage._cdata: None for storage in self._kept}

    @property
    def now(self) -> int:
        """Bytes alive at the moment."""
        return self._counted + self._resident()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """One operator."""
        if func in (_SCALAR, _EQUAL) and any(isinstance(one, FakeTensor) for one in args):
            return False if func is _EQUAL else _made_up(args[0].dtype)
        if func is _NONZERO and isinstance(args[0], FakeTensor):  # all of it, at most
            return args[0].new_zeros((args[0].numel(), args[0].ndim), dtype=torch.long)
        if func is _INDEX and isinstance(args[0], FakeTensor) and _by_mask(args[1]):
            return args[0].flatten()
        out = func(*args, **(kwargs or {}))
        for one in tree_iter(out):
            if isinstance(one, Tensor):
                self._note(one.untyped_storage())
        return out

    def _note(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()

        def gone(_: object) -> None:
            self._counted -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, gone)
        self._counted += size
        self.peak = max(self.peak, self.now)


def _by_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(one is not None and one.dtype == torch.bool for one in indices)


def _made_up(kind: torch.dtype) -> float | int | bool:
    if kind == torch.bool:
        return True
    return 0.5 if kind.is_floating_point else 1
