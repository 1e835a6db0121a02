"""How much of a device's memory a model may take: gradients recomputed, and parts that wait elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, get_args

import torch
from torch import nn

from retouch.backbone.protocol import Backbone
from retouch.errors import BadParameter

Memory = Literal["fast", "balanced", "low"]
"""fast: all parts on the device, nothing is computed twice. balanced: activations are recomputed in backward passes,
and the autoencoder takes pictures one at a time. low: also, only the part at work lies on the device, and the
autoencoder takes very large pictures in tiles."""

TILED_ABOVE = 1024
"""The side in pixels above which the autoencoder takes a picture in tiles under "low", which changes its result."""


def memory_named(wanted: Any) -> Memory:
    """The setting called ``wanted``; "fast" for None.

    Raises:
        BadParameter: when there is none.
    """
    if wanted is None:
        return "fast"
    for known in get_args(Memory):
        if wanted == known:
            return known
    raise BadParameter(f"memory is {wanted!r}, expected {', '.join(get_args(Memory)[:-1])} or {get_args(Memory)[-1]}.")


def save_memory(model: Any, memory: Memory) -> None:
    """From here on a loaded model is computed with so, within rounding as before; said of a model once.

    Args:
        model: the backbone.
    """
    model.memory = memory
    vae = model.modules.get("vae")
    if vae is not None and memory != "fast":
        vae.enable_slicing()
        vae.enable_gradient_checkpointing()  # acts where a gradient goes through it
    if memory == "low":
        if vae is not None:
            factor = 2 ** (len(vae.config.block_out_channels) - 1)
            vae.enable_tiling()
            vae.tile_sample_min_size, vae.tile_latent_min_size = TILED_ABOVE, TILED_ABOVE // factor
        take_turns(Turns(model.modules, model.device))


def tiles(memory: Memory, side: int, latent: bool) -> bool:
    """Whether an autoencoder takes pictures of this longer side, in pixels, in tiles: the result is another then."""
    return memory == "low" and latent and side > TILED_ABOVE


def saving(model: Backbone, wanted: bool = False) -> AbstractContextManager[None]:
    """Around what takes gradients: activations are recomputed where that is ``wanted``, or the model's setting."""
    return model.gradient_checkpointing() if wanted or model.memory != "fast" else nullcontext()


@contextmanager
def checkpointed(networks: Sequence[nn.Module]) -> Iterator[None]:
    """The networks recompute their activations in the backward pass, and then are as before."""
    names = ("gradient_checkpointing", "_gradient_checkpointing_func")
    was = [
        (vars(one), {name: vars(one)[name] for name in names if name in vars(one)})
        for network in networks for one in network.modules()
    ]  # fmt: skip
    try:
        for network in networks:
            network.enable_gradient_checkpointing()  # type: ignore[operator]
        yield
    finally:
        for attributes, own in was:
            for name in names:
                attributes.pop(name, None)
            attributes.update(own)


class Turns:
    """Of a model's parts only the one at work lies on the device; one with weights that are being fitted stays, too."""

    def __init__(self, parts: Mapping[str, nn.Module], device: torch.device) -> None:
        self.parts, self.device, self.here = dict(parts), device, set[str]()
        for name in self.parts:
            self.move(name, torch.device("cpu"))

    def enter(self, name: str) -> None:
        """The part begins to work."""
        for other in sorted(self.here - {name}):
            if not any(weight.requires_grad for weight in self.parts[other].parameters()):
                self.move(other, torch.device("cpu"))
                self.here.discard(other)
        self.move(name, self.device)  # always: some of its weights may have been replaced meanwhile
        self.here.add(name)

    def move(self, name: str, place: torch.device) -> None:
        """The part's weights, to another place."""
        self.parts[name].to(place)

    def __deepcopy__(self, memo: object) -> None:
        """A copy of a part takes no turns."""
        return None


def take_turns(turns: Turns) -> None:
    """Lets accelerate announce every part before it computes."""
    from accelerate.hooks import ModelHook, add_hook_to_module

    class Announced(ModelHook):
        """Tells who is at work."""

        def __init__(self, name: str) -> None:
            self.name, self.turns = name, turns

        def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            """Before a part computes: its ``forward``, or an autoencoder's ``encode`` or ``decode``."""
            self.turns.enter(self.name)
            return args, kwargs

    for name, part in turns.parts.items():
        add_hook_to_module(part, Announced(name))
