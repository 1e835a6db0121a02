"""Methods timed on a model: one edit against its bare network calls, and edits side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch
from PIL import Image

from retouch.backbone.turn import turn
from retouch.editor import Editor
from retouch.errors import RetouchError
from retouch.runs.environment import environment
from retouch.runs.memory import PeakMemory
from retouch.speed.peaks import card_name, peak_flops
from retouch.speed.watched import Spent, flops, now, run_bare, watched

SOURCE, TARGET = "a red cat sitting on a beach", "a blue cat sitting on a beach"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cost:
    """What one method costs.

    Attributes:
        evaluations: of the network for one edit, in rows; ``with_backward`` of them with a backward pass.
        seconds: of one edit.
        around_seconds: of these, texts and the autoencoder.
        network_seconds: the same network calls with nothing around them.
        overhead: what an edit's steps take beyond their bare network calls, as a share of these; on a CPU in processor
            seconds, which other programs do not lengthen.
        peak_mib: memory that an edit takes at most, above the weights; None where it cannot be told.
        flops: of the network in one edit.
        rates: pictures per second by how many are edited at once; None where memory ran out.
        rate_peaks: as ``peak_mib``, likewise.
    """

    method: str
    evaluations: int
    with_backward: int
    seconds: float
    around_seconds: float
    network_seconds: float
    overhead: float
    peak_mib: float | None
    flops: int
    rates: Mapping[int, float | None] = field(default_factory=dict)
    rate_peaks: Mapping[int, float | None] = field(default_factory=dict)

    @property
    def flops_per_second(self) -> float:
        """Of an edit's steps."""
        return self.flops / (self.seconds - self.around_seconds)


@dataclass(frozen=True)
class Speed:
    """Methods on one model and device.

    Attributes:
        weights_mib: of all parts.
        peak_flops: of the device in this precision; None where it is not known.
        environment: versions and machine.
        load: how many programs wanted a processor when it began, this one not counted; None where nobody counts.
    """

    model: str
    dtype: str
    side: int
    steps: int
    repeats: int
    weights_mib: float
    peak_flops: float | None
    environment: Mapping[str, Any]
    load: float | None
    methods: Sequence[Cost]

    def as_json(self) -> dict[str, Any]:
        """All of it, with what follows from it."""
        rows = [{**asdict(one), "flops_per_second": one.flops_per_second} for one in self.methods]
        return {**asdict(self), "methods": rows}


def measure(
    editor: Editor, methods: Sequence[str], steps: int, batches: Sequence[int], repeats: int, size: int | None = None,
    say: Say = lambda words: None,
) -> Speed:  # fmt: skip
    """Times methods, each with T ``steps`` and its other settings as they are.

    Args:
        batches: how many pictures are edited at once; 1 is one edit alone.
        repeats: of every timing, whose median counts; on a GPU one more goes before, as the first is slow.
        size: the working size in pixels; None for the model's own.
        say: is told what is timed now.

    Raises:
        RetouchError: when a method cannot be run so.
    """
    model = editor.model
    for name in methods:  # before the work
        editor.method_for(name, SOURCE, TARGET, {"num_inference_steps": steps})
    weights = sum(p.numel() * p.element_size() for part in _parts(model) for p in part.parameters())
    card = card_name(model.device)
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    found = [_cost(editor, name, steps, batches, repeats, size, say) for name in methods]
    return Speed(
        model.name, str(model.dtype).removeprefix("torch."), size or model.native_side, steps, repeats,
        weights / 2**20, None if card is None else peak_flops(card, model.dtype), environment(model.device), load,
        found,
    )  # fmt: skip


def _forget(model: Any) -> None:
    """Texts and pictures are read again."""
    model.kept.clear()


def _parts(model: Any) -> list[torch.nn.Module]:
    return list(model.modules.values())


def _cost(
    editor: Editor, name: str, steps: int, batches: Sequence[int], repeats: int, size: int | None, say: Say
) -> Cost:
    """One method: edits and bare calls alternate, so that both see the same machine."""
    model, asked = editor.model, _asked(editor, name, steps, size)
    _warm_up(editor, asked, say)
    edits, arounds, bares, peaks = list[Spent](), list[Spent](), list[Spent](), list[float | None]()
    for number in range(repeats):
        say(f"{name}: edit {number + 1} of {repeats}")
        _forget(model)
        with PeakMemory(model.device) as memory, watched(model) as seen:
            began = now(model.device)
            editor.edit(**asked)
            edits.append(now(model.device) - began)
        arounds.append(seen.around)
        peaks.append(memory.mib)
        say(f"{name}: bare network {number + 1} of {repeats}")
        with turn(model):
            bares.append(run_bare(model, seen.calls))
    with turn(model):
        counted = flops(model, seen.calls)
    one, around, bare = (median(spent.seconds for spent in found) for found in (edits, arounds, bares))
    rates, rate_peaks = dict[int, float | None](), dict[int, float | None]()
    for batch in batches:
        say(f"{name}: {batch} at once")
        rates[batch], rate_peaks[batch] = (1 / one, peaks[0]) if batch == 1 else _rate(editor, asked, batch, repeats)
    return Cost(
        name, seen.evaluations, sum(call.shape[0] for call in seen.calls if call.backward), one, around, bare,
        _overhead(model.device, edits, arounds, bares),
        max((peak for peak in peaks if peak is not None), default=None), counted, rates, rate_peaks,
    )  # fmt: skip


def _overhead(device: torch.device, edits: Sequence[Spent], arounds: Sequence[Spent], bares: Sequence[Spent]) -> float:
    """Of edits without what is around their steps over their bare calls, pair by pair."""

    def of(spent: Spent) -> float:
        return spent.processor if device.type == "cpu" else spent.seconds

    return median(of(edit - around) / of(bare) for edit, around, bare in zip(edits, arounds, bares, strict=True)) - 1


def _warm_up(editor: Editor, asked: Mapping[str, Any], say: Say) -> None:
    """What the first edit does alone: on a GPU choosing kernels for its sizes, on a CPU importing, by a small one."""
    say(f"{asked['method']}: warming up")
    if editor.model.device.type == "cpu":
        small = min(asked["size"] or editor.model.native_side, 2 * editor.model.pixel_multiple)
        editor.edit(**{**asked, "method": "ddim", "num_inference_steps": 1, "size": small})
    else:
        editor.edit(**asked)


def _asked(editor: Editor, name: str, steps: int, size: int | None) -> dict[str, Any]:
    """An edit of a picture of which nothing depends: no network looks at it and is faster."""
    side = size or editor.model.native_side
    picture = Image.radial_gradient("L").resize((side, side)).convert("RGB")
    return {
        "image": picture, "source": SOURCE, "target": TARGET, "method": name, "size": size, "keep": "off",
        "num_inference_steps": steps,
    }  # fmt: skip


def _rate(editor: Editor, asked: Mapping[str, Any], batch: int, repeats: int) -> tuple[float | None, float | None]:
    """Pictures per second of so many at once, and their peak memory; None where there is too little."""
    device, seconds, peak = editor.model.device, list[float](), None
    edits = [{**asked, "image": asked["image"].point(lambda v, n=n: max(0, v - n))} for n in range(batch)]
    try:
        if device.type != "cpu":
            editor.edit_many(edits, batch=batch)
        for _ in range(repeats):
            with PeakMemory(device) as memory:
                _forget(editor.model)
                began = now(device)
                editor.edit_many(edits, batch=batch)
                seconds.append((now(device) - began).seconds)
            peak = memory.mib if peak is None or memory.mib is None else max(peak, memory.mib)
    except (torch.OutOfMemoryError, RetouchError) as error:
        if not any(isinstance(one, torch.OutOfMemoryError) for one in (error, error.__cause__)):
            raise
        return None, None
    return batch / median(seconds), peak
