"""A network whose repeated blocks are compiled by torch: what lies between its attention layers, once for each shape.

Attention is left as it is: it is fused already, edits change it from step to step, and what they do would be compiled
anew each time. Residual blocks and feed-forward layers are the same in every edit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from retouch.backbone.quiet import quietly
from retouch.errors import BadParameter

_SHAPES = 256
"""So many shapes of one block are compiled at most, and the others computed as they are: a network has some ten, times
the numbers of rows that methods ask for."""


def check_compiler(device: torch.device) -> None:
    """Refuses, before the work, to compile where torch has nothing to compile with.

    Raises:
        BadParameter: saying what is missing.
    """
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise BadParameter("to compile for cuda torch needs triton, which is not there: pip install triton.")
    elif device.type == "cpu":
        if not any(shutil.which(one) for one in (os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl") if one):
            raise BadParameter(
                "to compile for the cpu torch needs a C++ compiler, and there is none: install g++, or leave "
                "compiling out."
            )
    else:
        raise BadParameter(f"networks are compiled for cuda and the cpu, not for {device.type}: leave compiling out.")


def prepare_network(model: Any, compile: bool = False, channels_last: bool = False) -> None:
    """From here on a backbone's networks are computed so; pictures are as before within rounding.

    Args:
        compile: see :func:`compile_model`.
        channels_last: whether convolutions' weights lie in memory with the channels last.
    """
    for network in _networks(model) if channels_last else ():
        network.to(memory_format=torch.channels_last)
    if compile:
        compile_model(model)


def _networks(model: Any) -> list[Any]:
    """Both of a cascade's, the one of others."""
    second = getattr(model, "super_resolution", None)
    return [model.unet, *(() if second is None else (second.unet,))]


def compile_model(model: Any, backend: str = "inductor") -> None:
    """Compiles the blocks of a backbone's networks, both of a cascade's, and notes that they are.

    Args:
        backend: torch's name of what compiles.
    """
    for network in _networks(model):
        compile_blocks(network, backend)
    model.compiled = True


def check_ways(compile: Any, channels_last: Any, device: torch.device) -> None:
    """Refuses what says neither yes nor no, and to compile where torch cannot.

    Raises:
        BadParameter: naming it, or as :func:`check_compiler`.
    """
    for option, value in (("compile", compile), ("channels_last", channels_last)):
        if not isinstance(value, bool):
            raise BadParameter(f"{option} is {value!r}, expected True or False.")
    if compile:
        check_compiler(device)


def compile_blocks(network: nn.Module, backend: str = "inductor") -> int:
    """From here on the network's residual blocks and feed-forward layers are compiled as they are first needed.

    ``forward`` is compiled and not the module, so that hooks of edits go on around it; for those within see
    :func:`as_it_is`.

    Returns:
        how many blocks there are.
    """
    with quietly():
        from diffusers.models.attention import FeedForward
        from diffusers.models.resnet import ResnetBlock2D

    compiled: Any = torch.compile  # whose stubs lack the limit
    found = [one for one in network.modules() if isinstance(one, FeedForward | ResnetBlock2D)]
    for block in found:
        block.forward = compiled(block.forward, dynamic=False, recompile_limit=_SHAPES, backend=backend)
    return len(found)


@contextmanager
def as_it_is(network: nn.Module, name: str) -> Iterator[None]:
    """In the body the block in which the submodule ``name`` lies computes as it is: compiled it would see no hook."""
    found = [network.get_submodule(name.rsplit(".", up)[0]) for up in range(1, name.count(".") + 1)]
    outer = [(one, vars(one).pop("forward")) for one in found if _is_compiled(one)]
    try:
        yield
    finally:
        for one, compiled in outer:
            one.forward = compiled


def uncompiled(module: nn.Module) -> nn.Module:
    """The module, a copy of a compiled one, computing as it is: what was compiled belongs to its original."""
    for one in module.modules():
        if _is_compiled(one):
            del vars(one)["forward"]
    return module


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(vars(module).get("forward"), "_torchdynamo_orig_callable")
