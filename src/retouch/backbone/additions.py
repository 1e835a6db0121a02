"""Files that are put on top of a checkpoint: named, found and whole, as far as that can be told before it is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from retouch.backbone.formats import CONVERT, PICKLED
from retouch.backbone.headers import Header, read_header
from retouch.errors import BadModel, BadParameter
from retouch.parameters import number_in


def read_addition(kind: str, path: Path) -> Header:
    """The header of a safetensors file.

    Args:
        kind: what it is expected to hold, for the sentence.

    Raises:
        BadModel: when there is no such file, it is of another format or damaged.
    """
    if os.path.isdir(path):
        inside = sorted(one.name for one in path.iterdir() if one.suffix.lower() == ".safetensors")
        which = f", here {inside[0]}" if inside else ", and there is none"
        raise BadModel(f"{str(path)!r} is a folder: give the path of a .safetensors file with a {kind} in it{which}.")
    if not os.path.isfile(path):
        raise BadModel(f"there is no file {str(path)!r}: give the path of a .safetensors file with a {kind}.")
    if path.suffix.lower() in PICKLED:
        raise BadModel(f"{str(path)!r} is a pickled file: {CONVERT}")
    return read_header(f"the {kind} {str(path)!r}", path)


def named_files(given: Any, option: str) -> list[tuple[Path, str | None]]:
    """Files with what is said of each after a colon, from whatever a caller has: one or several, pairs, or by name.

    >>> named_files("style.safetensors:0.8", "lora")
    [(PosixPath('style.safetensors'), '0.8')]

    Raises:
        BadParameter: for what names no file.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        given = list(given.items())
    elif isinstance(given, str | PathLike) or not isinstance(given, Iterable) or _is_pair(given):
        given = [given]
    return [_named_file(one, option) for one in given]


def _is_pair(given: Any) -> bool:
    """Whether this is a file with what is said of it, and not two files."""
    return isinstance(given, tuple) and len(given) == 2 and not str(given[1]).lower().endswith(".safetensors")


def _named_file(one: Any, option: str) -> tuple[Path, str | None]:
    said = None
    if isinstance(one, tuple | list) and len(one) == 2:
        one, said = one
    if not isinstance(one, str | PathLike) or not fspath(one):
        raise BadParameter(f"{option} is {one!r}, expected the path of a file.")
    text = os.path.expanduser(fspath(one))
    head, colon, tail = text.rpartition(":")
    if said is None and colon and head.lower().endswith((".safetensors", *PICKLED)):
        text, said = head, tail
    return Path(text), None if said is None else str(said)


def read_weight(text: str | None, option: str) -> float:
    """A weight, 1 where none is said.

    Raises:
        BadParameter: when it is no number.
    """
    try:
        weight = 1.0 if text is None else number_in(text)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise BadParameter(
            f"{option} is put in with the weight {text!r}, expected a number, as in style.safetensors:0.8."
        )
    return weight
