"""The executor that spreads cases over the machines of a Ray cluster; the run's folder is the driver's alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from retouch.errors import RetouchError, told
from retouch.runs.edits import Executor, Made, Work, edits, failures
from retouch.runs.model_spec import ModelSpec, editor_of
from retouch.runs.results import library

_RETRIES = 5  # of a case whose worker died
_PATIENCE = 5.0  # seconds for a cluster to answer


def on_ray(model: ModelSpec, *, address: str = "", cpus: float = 1, gpus: float = 0) -> Executor:
    """Edits on a Ray cluster, a case at a time on each worker.

    A worker that dies loses the case in its hands, which another does again; finished cases are with the driver.
    Fits are not resumed: workers need share no disk.

    Args:
        address: of the cluster, as for ``ray.init``; "" starts one on this machine.
        cpus, gpus: that a worker takes.

    Raises:
        MissingExtra: without ray.
        RetouchError: when the cluster cannot be reached.
    """
    ray = library("ray", extra="ray")
    connected = _connect(ray, address)

    def execute(works: Iterable[Work]) -> Iterator[Made]:
        owned = _connect(ray, address) or connected  # when it works a second time, the first has ended the connection
        try:
            do = ray.remote(_case).options(num_cpus=cpus, num_gpus=gpus, max_retries=_RETRIES)
            slots = max(1, int(ray.cluster_resources().get("CPU", 1) // max(cpus, 0.01)))
            left, waiting = iter(works), dict[Any, Work]()
            while True:
                # two cases a worker: none idles, and no more than that is in memory
                while len(waiting) < 2 * slots and (work := next(left, None)) is not None:
                    then = [replace(one, fits=None) for one in work.then]
                    waiting[do.remote(model, replace(work, fits=None, then=then))] = work
                if not waiting:
                    return
                ready, _ = ray.wait(list(waiting), num_returns=1)
                for one in ready:
                    yield from _results(ray, one, waiting.pop(one))
        finally:
            if owned:
                ray.shutdown()

    return execute


def _connect(ray: Any, address: str) -> bool:
    """Whether the connection was made here, and is to be ended here."""
    if ray.is_initialized():
        return False
    refusal = f"the Ray cluster {address!r} cannot be reached ({{}}): give --address as `ray start` printed it."
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        try:
            socket.create_connection((host, int(port)), _PATIENCE).close()  # ray itself would try for minutes
        except OSError as error:
            raise RetouchError(refusal.format(error.strerror or error)) from None
    # else Ray warns that it will one day no longer hide GPUs from workers that ask for none
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        else:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # ray raises many kinds; the remedy is the same
        raise RetouchError(refusal.format(told(error))) from None
    return True


def _results(ray: Any, one: Any, work: Work) -> list[Made]:
    try:
        return list(ray.get(one))
    except Exception as error:  # the worker died again and again
        reason = f"the worker failed: {type(error).__name__}"
        return [made for one in (work, *work.then) for made in failures(one, reason)]


def _case(model: ModelSpec, work: Work) -> list[Made]:
    return list(edits(editor_of(model), work))
