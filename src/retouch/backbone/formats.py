"""Which files are read at all: safetensors alone. Others are refused by name, with the way to it where there is one."""

from __future__ import annotations

import os
from pathlib import Path

from retouch.errors import BadModel

PICKLED = (".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle")
_OTHERS = {
    ".gguf": "a GGUF file, weights quantised for other programs",
    ".ggml": "a GGML file, weights quantised for other programs",
    ".onnx": "an ONNX graph",
    ".msgpack": "a file of Flax weights",
    ".h5": "a file of TensorFlow weights",
    ".zip": "an archive",
    ".7z": "an archive",
    ".rar": "an archive",
    ".tar": "an archive",
    ".gz": "an archive",
}
_BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the weights; fetch them with `git lfs pull`."),
    (b"GGUF", "a GGUF file under another name, weights quantised for other programs; give safetensors."),
)
_PICKLE_BEGINNINGS = (b"PK\3\4", b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")

CONVERT = (
    "pickled files can run code and are never loaded. Convert it to safetensors where you trust its maker, reading it "
    "with torch.load(..., weights_only=True), which runs nothing (docs/models.md shows how)."
)
"""What is said of a pickle: why not, and the safe way."""


def is_file_name(path: Path) -> bool:
    """Whether a name can only be a file's, by its ending."""
    return path.suffix.lower() in (".safetensors", *PICKLED, *_OTHERS)


def rank(path: Path) -> int:
    """Where a file stands among several: those that could be read before those that could not."""
    return int(path.suffix.lower() != ".safetensors")


def check_format(name: str, path: Path) -> None:
    """Refuses, by its ending, a file that is no safetensors file.

    Raises:
        BadModel: also where there is no such file.
    """
    ending = path.suffix.lower()
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        raise BadModel(f"there is no file {name!r}: give the path of a .safetensors checkpoint.")
    if ending in PICKLED:
        raise BadModel(f"{name!r} is a pickled checkpoint: {CONVERT}")
    if ending in _OTHERS:
        raise BadModel(f"{name!r} is {_OTHERS[ending]}: give the checkpoint as a .safetensors file in float16 or more.")
    if ending != ".safetensors":
        raise BadModel(f"{name!r} is no .safetensors file: give such a checkpoint, or a diffusers folder.")


def unreadable(path: Path) -> str:
    """What a file is that could not be read as safetensors, by its first bytes: the end of a sentence."""
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as error:
        return f"{error.strerror or error}."
    for beginning, what in _BEGINNINGS:
        if start.startswith(beginning):
            return f"it is {what}"
    if start.startswith(_PICKLE_BEGINNINGS):
        return f"it is a pickled checkpoint under another name; {CONVERT}"
    return "it is damaged, cut off or no safetensors file (an interrupted download?); fetch it again."
