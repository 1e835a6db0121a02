"""The executors that the command line offers to runs of suites and to batches, and the captioner that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retouch.cli import options
from retouch.errors import BadParameter

if TYPE_CHECKING:
    from retouch.editor import Editor
    from retouch.runs.cases import Captioner
    from retouch.runs.edits import Executor


@dataclass(frozen=True)
class Workers:
    """Who makes edits; the fields are options of commands, see :mod:`retouch.cli.bench_options`.

    Raises:
        BadParameter: for an executor that there is not, or options that do not go together.
    """

    name: str
    model: str
    device: str
    read_as: Mapping[str, Any]
    address: str
    cpus: float
    gpus: float
    batch: int
    devices: Sequence[str]

    def __post_init__(self) -> None:
        if self.name not in ("local", "ray"):
            raise BadParameter(f"--executor is {self.name!r}, expected local or ray.")
        if self.devices and (self.name != "local" or self.device):
            raise BadParameter("--devices goes without --device and --executor: Ray has --worker-gpus.")
        if self.batch > 1 and self.name != "local":
            raise BadParameter("--batch goes with --executor local.")
        if self.address and self.name != "ray":
            raise BadParameter("--address goes with --executor ray.")

    def editor(self) -> Editor:
        """The editor of this process."""
        from retouch.editor import Editor

        where = self.device or (self.devices[0] if self.devices else "")
        return Editor.from_pretrained(self.model, device=where or None, **self.read_as)

    def executor(self, editor: Editor) -> Executor:
        """What makes the edits: this process with ``editor``, or others."""
        from retouch.runs.edits import local
        from retouch.runs.model_spec import ModelSpec

        read_as = tuple(self.read_as.items())
        if self.name == "ray":
            from retouch.runs.on_ray import on_ray

            where = self.device or ("" if self.gpus else "cpu")  # workers that asked for no GPU must not crowd one
            spec = ModelSpec(self.model, where, max(1, int(self.cpus)), read_as)
            return on_ray(spec, address=self.address, cpus=self.cpus, gpus=self.gpus)
        if self.devices:
            from retouch.runs.on_devices import on_devices

            return on_devices(ModelSpec(self.model, read_as=read_as), self.devices, self.batch)
        if self.batch > 1:
            from retouch.runs.side_by_side import side_by_side

            return side_by_side(editor, self.batch)
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
