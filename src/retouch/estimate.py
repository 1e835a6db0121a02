"""How much memory an edit will take: the method itself, run on a double of the model whose tensors have no values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from retouch.backbone.clip import clip_without_values
from retouch.backbone.live_bytes import LiveBytes
from retouch.backbone.protocol import Backbone
from retouch.backbone.saving import Memory, Turns
from retouch.backbone.turn import clean_state
from retouch.backbone.unet import UNetBackbone
from retouch.backbone.weightless import without_values
from retouch.errors import BadParameter, RetouchError
from retouch.fit.work import Work
from retouch.methods.method import Method
from retouch.parts.job import Job

_ENOUGH = {
    "embedding_steps": 2, "network_steps": 2, "super_resolution_steps": 2, "iterations": 2, "inner_steps": 2,
    "reference_steps": 2,
}  # fmt: skip
"""Optimiser steps until all is there at once: at the second, Adam's moments beside activations and gradients."""
_ROOMY, _AT_LEAST = 12, 24 * 2**30
"""With so many times the weights' bytes, and at least so many, any method has enough at any usual size."""
_MARGIN = 1.1
"""Beside tensors there are workspaces, and gaps between them."""


@dataclass(frozen=True)
class Peak:
    """Bytes at an edit's peak: all of them, and those of the weights, which lie there before it begins."""

    total: int
    weights: int


def shortened(method: Method, steps: int) -> Method:
    """The method in as few steps as take as much memory as all of them.

    Raises:
        BadParameter: where it cannot be run in so few.
    """
    known = {field.name for field in fields(method)}
    few = {name: min(count, getattr(method, name)) for name, count in _ENOUGH.items() if name in known}
    return replace(method, num_inference_steps=steps, **few)  # type: ignore[call-arg]


def _tried(method: Method) -> tuple[int, ...]:
    """Numbers of steps that may be enough; some inversions evaluate several levels in one batch."""
    several = "stochasticity" in {field.name for field in fields(method)}
    return (min(16, int(getattr(method, "num_inference_steps", 16))),) if several else (2, 5, 10)


def peak_of(
    model: UNetBackbone, method: Method, size: tuple[int, int], memory: Memory = "fast", *,
    source: str | None = "a cat", target: str = "a dog",
) -> Peak:  # fmt: skip
    """The most bytes that tensors take during an edit on one device, whatever the model's own device is.

    Nothing is computed, and next to nothing allocated; SDXL takes some seconds.

    Args:
        model: as loaded; its weights' types count, and neither their values nor where they lie.
        method: with all of its settings.
        size: of the picture on the model's grid, (width, height).
        memory: the setting, in place of the model's.
        source, target: the prompts.

    Raises:
        RetouchError: where the method cannot be run so.
    """
    refusal: RetouchError = BadParameter(f"the memory of {method.name} cannot be estimated.")
    for steps in dict.fromkeys((*_tried(method), int(getattr(method, "num_inference_steps", 10)))):
        try:
            few = shortened(method, steps)
        except BadParameter as error:
            refusal = error
            continue
        return _peak(model, few, size, memory, (source, target), steps)
    raise refusal


def _peak(
    model: UNetBackbone, method: Method, size: tuple[int, int], memory: Memory, texts: tuple[str | None, str],
    steps: int,
) -> Peak:  # fmt: skip
    source, target = texts
    with clean_state(torch.device("cpu")), without_values(model, [steps, 2, 50, 100]) as double:
        double.memory = memory
        if memory != "fast" and "vae" in double.modules:
            double.vae.enable_gradient_checkpointing()
        resident = _Resident(double.modules, turns=memory == "low")
        weights = [one for part in double.modules.values() for one in (*part.parameters(), *part.buffers())]
        counted = LiveBytes(weights, lambda: resident.bytes)
        _as_on_gpu(double.network)
        with counted:
            if "clip" in {field.name for field in fields(method)}:
                vars(double)["clip"] = clip_without_values(double.text_width)
            pixels = torch.zeros(1, 3, size[1], size[0])
            latents = double.encode(pixels)
            where = torch.zeros_like(latents[:, :1])
            job = Job(
                double, latents, target, source, torch.Generator().manual_seed(0), lambda done: None,
                work=_Forgetful(), picture=pixels, keeps=True, foreground=where if _splits(method) else None,
            )  # fmt: skip
            outcome = method.edit(job)
            with torch.no_grad():
                text = double.condition([target]) if double.draws_by_text else None
                _ = outcome.decode(outcome.target) if outcome.decode else double.decode(outcome.target, text)
        return Peak(counted.peak, sum(_size(part) for part in double.modules.values()))


def _splits(method: Method) -> bool:
    """Whether the method would look for an object, which is not there to be found."""
    return "segmenter" in {field.name for field in fields(method)}


def _size(part: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in (*part.parameters(), *part.buffers()))


class _Resident:
    """The bytes of those weights that lie on the device; all, unless they take turns."""

    def __init__(self, parts: Mapping[str, nn.Module], *, turns: bool) -> None:
        self.bytes = 0 if turns else sum(_size(part) for part in parts.values())
        if not turns:
            return
        sizes = {name: _size(part) for name, part in parts.items()}
        self._turns = _Imagined(parts, self, sizes)
        for name, part in parts.items():
            inner = [getattr(part, half) for half in ("encoder", "decoder") if name == "vae"]
            for module in inner or [part]:
                module.register_forward_pre_hook(lambda _module, _given, name=name: self._turns.enter(name))


class _Imagined(Turns):
    """Turns in which nothing moves, and what would lie on the device is added up."""

    def __init__(self, parts: Mapping[str, nn.Module], resident: _Resident, sizes: Mapping[str, int]) -> None:
        self._resident, self._sizes, self._there = resident, sizes, set[str]()
        super().__init__(parts, torch.device("meta"))

    def move(self, name: str, place: torch.device) -> None:
        """Counts the part in or out."""
        self._there = self._there | {name} if place == self.device else self._there - {name}
        self._resident.bytes = sum(self._sizes[one] for one in self._there)


def _as_on_gpu(network: nn.Module) -> None:
    """In mixed precision norms are computed in float32, as torch does it on a GPU alone."""

    def wide(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return tuple(one.float() for one in given) if torch.is_autocast_enabled("cpu") else None

    for module in network.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.register_forward_pre_hook(wide)


class _Forgetful(Work):
    """Work whose states are kept in main memory, which is not counted: not at all."""

    def _keep(self, stage: str, variables: Any, optimiser: Any, done: int, **how: Any) -> None:
        self.steps[stage] = done


def free_bytes(device: torch.device) -> int | None:
    """What a device could still give to new tensors; None where it does not say."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def check_memory(
    model: Backbone, method: Method, size: tuple[int, int], source: str | None, target: str, free: int | None = None
) -> None:
    """Refuses, before the work, an edit for which the device has too little memory, and says what would fit.

    Args:
        size: on the model's grid, (width, height).
        free: bytes, in place of what the device says.

    Raises:
        RetouchError: saying how much it takes, how much there is, and which setting or size takes less.
    """
    free = free_bytes(model.device) if free is None else free
    if free is None or not isinstance(model, UNetBackbone) or model.live is not None:
        return
    there = sum(_size(part) for part in model.modules.values())
    lying = there if model.memory != "low" else 0
    room = free + lying
    if room > max(_ROOMY * there, _AT_LEAST):
        return

    def takes(memory: Memory, width: int, height: int) -> int:
        return int(_MARGIN * peak_of(model, method, (width, height), memory, source=source, target=target).total)

    needed = takes(model.memory, *size)
    if needed <= room:
        return
    less = next((said for said, bytes_ in _less(model, size, takes) if bytes_ <= room), None)
    way = f"{less} would fit" if less else "no setting would fit: take another device"
    raise RetouchError(
        f"{method.name} at {size[0]}x{size[1]} takes about {_gib(needed)} of memory with memory={model.memory}, and "
        f"{model.device} has {_gib(room)}: {way}."
    )


def _less(model: UNetBackbone, size: tuple[int, int], takes: Any) -> Any:
    """Ways that take less, the mildest first, each with its bytes, counted as it is asked for."""
    for memory in ("balanced", "low"):
        if memory != model.memory and model.memory != "low":
            yield f"loading the model with --memory {memory}", takes(memory, *size)
    for share in (0.75, 0.5, 0.25):
        side = int(share * min(size)) // model.pixel_multiple * model.pixel_multiple
        if side >= model.pixel_multiple:
            setting = "--memory low and " if model.memory != "low" else ""
            yield f"{setting}--size {side}", takes("low", side, side)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
