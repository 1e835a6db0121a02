"""What was timed as a table of texts."""

from __future__ import annotations

from collections.abc import Sequence

from retouch.speed.measure import Cost, Speed


def headline(speed: Speed) -> str:
    """What was timed, and where."""
    said = speed.environment
    place = said.get("gpu") or f"{said['cpu']}, {said['threads']} thread{'s' * (said['threads'] != 1)}"
    peak = f", at most {speed.peak_flops / 1e12:.0f} TFLOP/s" if speed.peak_flops else ""
    busy = f", while {speed.load:.0f} other programs ran" if speed.load and speed.load >= 1 else ""
    return (
        f"{speed.model} at {speed.side}x{speed.side} in {speed.dtype}, T = {speed.steps}: {place}{peak}{busy}; torch "
        f"{said['torch']}, {said['date'][:10]}. The weights are {_gib(speed.weights_mib)} GiB."
    )


def headings(speed: Speed) -> list[str]:
    """Of the columns."""
    share = ["of the peak"] if speed.peak_flops else []
    return [
        "method", "evaluations", "seconds", "texts and autoencoder", "bare network", "overhead", "memory, GiB",
        "TFLOP/s", *share, *(f"pictures/s, {batch} at once" for batch in _batches(speed)),
    ]  # fmt: skip


def rows(speed: Speed) -> list[list[str]]:
    """A method each."""
    return [_row(speed, one) for one in speed.methods]


def _row(speed: Speed, one: Cost) -> list[str]:
    backward = f" ({one.with_backward} with a backward pass)" if one.with_backward else ""
    share = [f"{one.flops_per_second / speed.peak_flops:.0%}"] if speed.peak_flops else []
    return [
        one.method, f"{one.evaluations}{backward}", f"{one.seconds:.2f}", f"{one.around_seconds:.2f}",
        f"{one.network_seconds:.2f}", f"{one.overhead:+.0%}", _gib(one.peak_mib),
        f"{one.flops_per_second / 1e12:.3g}", *share,
        *("no memory" if (rate := one.rates.get(batch)) is None else f"{rate:.3g}" for batch in _batches(speed)),
    ]  # fmt: skip


def _batches(speed: Speed) -> Sequence[int]:
    return sorted({batch for one in speed.methods for batch in one.rates})


def _gib(mib: float | None) -> str:
    return "?" if mib is None else f"{mib / 1024:.2f}"
