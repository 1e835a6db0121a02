"""A model without its weights: the same parts, of tensors that have shapes and types and no values.

What a method would ask of the device can be seen on it without a device: it takes no memory, and hardly any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from retouch.backbone.compiled import uncompiled
from retouch.backbone.kept import Kept
from retouch.backbone.unet import UNetBackbone

StandIn = Callable[[Tensor], Tensor]
"""What takes a weight's place."""


@contextmanager
def without_values(model: UNetBackbone, steps: Sequence[int]) -> Iterator[UNetBackbone]:
    """The model's double, whose tensors are torch's fake ones of the CPU; in the body all new tensors are fake, too.

    Args:
        steps: numbers of steps whose schedules are asked for in the body: these are real numbers.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def stand_in(weight: Tensor) -> Tensor:
        with mode:
            return torch.empty(weight.shape, dtype=weight.dtype)

    double = doubled(model, stand_in, torch.device("cpu"))
    for number in {*steps, 1}:
        double.schedule(number)
    with mode:
        yield double


def doubled(model: UNetBackbone, stand_in: StandIn, device: torch.device) -> UNetBackbone:
    """A backbone of copies of the model's parts, with a stand-in for every weight."""
    double = copy(model)
    vars(double).update(
        {part: _copied(module, stand_in) for part, module in model.modules.items() if hasattr(double, part)}
        | {"lock": RLock(), "live": None, "device": device, "remarks": list[str](), "fingerprint": "", "kept": Kept()}
    )
    for name in ("_schedules", "_sizes"):  # their own: none is made by these tensors
        vars(double).pop(name, None)
    second = getattr(model, "super_resolution", None)
    if second is not None:
        stage: Any = copy(second)
        stage.unet = _copied(second.unet, stand_in)
        vars(double)["super_resolution"] = stage
    return double


def _copied(module: nn.Module, stand_in: StandIn) -> nn.Module:
    from accelerate.hooks import remove_hook_from_module

    tensors = {id(one): one for one in (*module.parameters(), *module.buffers())}
    memo: dict[int, Any] = {}
    for number, one in tensors.items():
        made = stand_in(one)
        memo[number] = nn.Parameter(made, one.requires_grad) if isinstance(one, nn.Parameter) else made
    # deepcopy keeps what it remembers alive; the originals stay in ``tensors`` until it is done
    double: nn.Module = remove_hook_from_module(deepcopy(module, memo), recurse=True)
    return uncompiled(double)
