"""Named tensors in a safetensors file, written to a temporary name and renamed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from retouch.atomic import atomic_write
from retouch.errors import BadFit
from retouch.output import taken_already


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, replace: bool = True
) -> None:
    """Writes the tensors with ``metadata`` in the file's header.

    Raises:
        OutputExists: when there is a file and it may not be replaced.
        BadFit: when the place cannot be written to.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with suppress(FileExistsError):  # a file in the folder's place, which the next line says
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, replace=replace) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, dict(metadata))
    except FileExistsError:
        raise taken_already(path) from None
    except (OSError, SafetensorError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFit(f"{path} cannot be written: {reason}; name another place.") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file on the CPU, and its metadata.

    Raises:
        BadFit: when there is no such file, or it is no safetensors file or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.is_dir():
            raise BadFit(f"{path} is a folder, expected a file that `retouch fit` wrote.")
        if not path.is_file():
            raise BadFit(f"there is no file {path}: check the path of the fit.")
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadFit(f"{path} is damaged or not a safetensors file: make it anew.") from error
