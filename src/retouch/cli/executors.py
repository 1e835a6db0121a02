"""The executors that the command line offers to runs of suites and to batches, and the captioner that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retouch.editor import Editor
    from retouch.runs.cases import Captioner
    from retouch.runs.edits import Executor

from retouch.cli import options


def loaded(model: str, device: str, read_as: Mapping[str, Any]) -> Editor:
    """The editor for a model."""
    from retouch.editor import Editor

    return Editor.from_pretrained(model, device=device or None, **read_as)


def executor(
    name: str, editor: Editor, model: str, device: str, address: str, cpus: float, gpus: float,
    read_as: Mapping[str, Any], batch: int, devices: Sequence[str],
) -> Executor:  # fmt: skip
    """The executor that options ask for; see :mod:`retouch.cli.bench_options`."""
    from retouch.runs.edits import local
    from retouch.runs.model_spec import ModelSpec

    if name == "ray":
        from retouch.runs.on_ray import on_ray

        where = device or ("" if gpus else "cpu")  # workers that asked for no GPU must not crowd one
        return on_ray(
            ModelSpec(model, where, max(1, int(cpus)), tuple(read_as.items())), address=address, cpus=cpus, gpus=gpus
        )
    if devices:
        from retouch.runs.on_devices import on_devices

        return on_devices(ModelSpec(model, read_as=tuple(read_as.items())), devices, batch)
    if batch > 1:
        from retouch.runs.side_by_side import side_by_side

        return side_by_side(editor, batch)
    return local(editor)


def captioner(name: str, model: str) -> Captioner | None:
    """Who says what pictures show: the one that is named, or with an embedded model its own; None for nobody."""
    if name:
        from retouch.runs.captions import Captioner as Model

        return Model(name)
    if model in options.EMBEDDED:
        from retouch.diorama.advice import describe

        return describe
    return None
