"""From a name to a backbone: the embedded model, a diffusers folder, a hub name, or a single .safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypedDict

import torch

from retouch.backbone.compiled import check_ways, prepare_network
from retouch.backbone.folder import from_folder, is_cascade, judged
from retouch.backbone.formats import is_file_name
from retouch.backbone.hub import helper_copy, hub_folder, stage_copy
from retouch.backbone.on_top import put_on_top, read_on_top
from retouch.backbone.places import device_named, precision_named
from retouch.backbone.quiet import quietly, without_collection
from retouch.backbone.saving import memory_named, save_memory
from retouch.backbone.settings import ModelSettings, read_model_settings
from retouch.backbone.single_file import from_file
from retouch.backbone.stages import from_stages, stages_judged
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter

EMBEDDED = "diorama"
EMBEDDED_FOLDER = Path(__file__).parent.parent / "diorama" / "weights"
"""Where the embedded model lies inside the package."""
CASCADE = "diorama-pixels"
EMBEDDED_CASCADE = EMBEDDED_FOLDER.parent / "cascade"
"""Where the embedded pixel cascade lies."""
EMBEDDED_MODELS = (EMBEDDED, CASCADE)
"""Models of the painted world, which its CLIP and its segmenter know."""
_EXPECTED = (
    "'diorama' or 'diorama-pixels', the path of a diffusers folder or of a .safetensors file, or a hub name like "
    "owner/model"
)


class LoadSettings(TypedDict, total=False):
    """How a model is loaded: the arguments of :func:`load` but for its name, each of which may be left out.

    ``prediction`` is what the network predicts, "epsilon", "v_prediction" (or "v") or "sample", ``zero_snr`` whether it
    was trained down to pure noise, and ``native`` the side in pixels of the pictures it was trained on, each in place
    of what the checkpoint's files say. ``guidance`` is what a network with a guidance embedding is told at every
    evaluation; 1, no guidance, by default.

    ``lora`` names safetensors files in kohya's, diffusers' or peft's layout: one or several, each as
    ``"style.safetensors:0.8"`` or (file, weight). ``vae`` is another autoencoder: a folder, file or hub name.
    ``embedding`` names textual inversions, each as ``"cat.safetensors:<cat>"``, (file, word) or a file, which is
    called as it says itself. ``clip_skip`` leaves out so many of the text encoders' last layers, as in diffusers.
    ``long_prompts`` reads prompts beyond the token limit in chunks, in place of cutting them off. ``torch_dtype`` and
    ``local_files_only`` are diffusers' names of ``dtype`` and ``offline``. ``super_resolution`` is the second stage of
    a pixel cascade whose base stage is loaded. ``memory`` is "fast", "balanced" or "low" (docs/memory.md). ``compile``
    has torch compile the network's blocks, ``channels_last`` lays out its weights so (docs/speed.md).
    """

    device: str | torch.device | None
    dtype: torch.dtype | str | None
    prediction: str | None
    zero_snr: bool | None
    native: int | None
    guidance: float | None
    lora: Any
    vae: str | PathLike[str] | None
    embedding: Any
    clip_skip: int
    long_prompts: bool
    super_resolution: str | PathLike[str] | None
    memory: str | None
    compile: bool
    channels_last: bool
    offline: bool
    torch_dtype: torch.dtype | str | None
    local_files_only: bool


_THEIRS = {"torch_dtype": "dtype", "local_files_only": "offline"}
"""What diffusers calls arguments that have another name here."""


def load_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`load` but for the name, under diffusers' names or ours.

    Raises:
        BadParameter: for one that there is not, or that is given under both names.
    """
    known = [name for name in LoadSettings.__annotations__ if name not in _THEIRS]
    found: dict[str, Any] = {}
    for name, value in given.items():
        ours = _THEIRS.get(name, name)
        if ours not in known:
            near = get_close_matches(name, known, n=1)
            raise BadParameter(
                f"a model is loaded with no {name!r}{f', did you mean {near[0]}' if near else ''}; there are: "
                f"{', '.join(known)}."
            )
        if ours in found:
            raise BadParameter(f"{ours} is given twice, also as diffusers' {_other(ours)}: leave one of them out.")
        found[ours] = value
    return found


def _other(ours: str) -> str:
    return next(name for name, one in _THEIRS.items() if one == ours)


@without_collection()
def load(
    name: str | PathLike[str] = EMBEDDED,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    offline: bool = False,
    prediction: str | None = None,
    zero_snr: bool | None = None,
    native: int | None = None,
    guidance: float | None = None,
    lora: Any = None,
    vae: str | PathLike[str] | None = None,
    embedding: Any = None,
    clip_skip: int = 0,
    long_prompts: bool = False,
    super_resolution: str | PathLike[str] | None = None,
    memory: str | None = None,
    compile: bool = False,
    channels_last: bool = False,
) -> UNetBackbone:
    """Loads a checkpoint of Stable Diffusion 1.x, 2.x or SDXL, or a pixel cascade in DeepFloyd IF's layout.

    Args:
        name: ``"diorama"``, ``"diorama-pixels"``, a diffusers folder, a hub name such as ``"owner/model"``, or a
            ``.safetensors`` file.
        device: default: cuda, else mps, else the CPU.
        dtype: of the network, also as "float32", "float16" or "bfloat16"; default: float16 on cuda, else float32. On
            the CPU float16 becomes float32.
        offline: never ask a hub; what was fetched before may be used.
        prediction, zero_snr, native, guidance: what its files say amiss or not, see :class:`LoadSettings`.
        lora, vae, embedding, clip_skip, long_prompts, super_resolution: what is put on top of it, likewise.
        memory, compile, channels_last: how it is computed, likewise.

    Raises:
        BadModel: when there is no such model or it is of another kind, in one sentence.
        BadParameter: when there is no such device or precision, or the checkpoint cannot be read so.
    """
    if not isinstance(name, str | PathLike) or not fspath(name):
        raise BadModel(f"the model is {name!r}, expected {_EXPECTED}.")
    name = fspath(name)
    said = {"prediction": prediction, "zero_snr": zero_snr, "native": native, "guidance": guidance}
    settings = read_model_settings(said)
    additions = read_on_top(lora, vae, embedding, clip_skip, long_prompts)
    place, saves = device_named(device), memory_named(memory)
    check_ways(compile, channels_last, place)
    precision = precision_named(dtype) or (torch.float16 if place.type == "cuda" else torch.float32)
    if place.type == "cpu" and precision == torch.float16:
        precision = torch.float32  # half precision on a CPU is slow, and some operators lack it
    wide = precision == torch.bfloat16
    second = None if super_resolution is None else second_folder(super_resolution, offline)
    first = torch.device("cpu") if saves == "low" else place
    model = _named(name, first, torch.float32 if wide else precision, settings, offline, additions.vae, second)
    put_on_top(model, additions)
    if wide:
        _rounded(model, precision)
    model.device = place
    save_memory(model, saves)
    prepare_network(model, compile, channels_last)
    return model


def _rounded(model: UNetBackbone, precision: torch.dtype) -> None:
    """The fingerprint names the checkpoint and not the precision: bfloat16 would round what it reads."""
    model.fingerprint = model.fingerprint
    with quietly():
        for part in model.modules.values():
            part.to(precision)


def _named(
    name: str, place: torch.device, precision: torch.dtype, settings: ModelSettings, offline: bool,
    vae: tuple[str, Path] | None, second: Path | None,
) -> UNetBackbone:  # fmt: skip
    path = EMBEDDED_CASCADE if name == CASCADE else Path(name).expanduser()
    if os.path.isdir(path) and is_cascade(path):
        return from_stages(name, path, second, place, precision, settings)
    if second is not None and (name == EMBEDDED or os.path.exists(path)):
        raise BadParameter(f"super_resolution is given, but {name!r} is no base stage of a cascade: leave it out.")
    if name == EMBEDDED:
        if not (EMBEDDED_FOLDER / "unet").is_dir():
            raise BadModel("the embedded model's weights are missing from this installation: install retouch again.")
        return from_folder(name, EMBEDDED_FOLDER, place, precision, settings)
    if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        return from_folder(name, path, place, precision, settings)
    if is_file_name(path) or os.path.isfile(path):
        return from_file(name, path, place, precision, settings, vae)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise BadModel(f"there is no model {name!r}: give {_EXPECTED}.")
    folder = hub_folder(
        name, offline,
        lambda small: (stages_judged if is_cascade(small) else judged)(name, small, settings),
    )  # fmt: skip
    if is_cascade(folder):
        return from_stages(name, folder, second, place, precision, settings)
    return from_folder(name, folder, place, precision, settings)


def second_folder(name: str | PathLike[str], offline: bool) -> Path:
    """Where a cascade's second stage lies.

    Raises:
        BadModel: when there is none of that name.
    """
    name = fspath(name)
    if os.path.isdir(name):
        return Path(name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise BadModel(
            f"there is no super_resolution stage {name!r}: give the path of a diffusers folder, or a hub name."
        )
    return stage_copy(name, offline)


def helper_folder(name: str, part: str) -> Path:
    """Where a model that serves beside a checkpoint lies: ``part`` of the embedded one, a folder, or a hub's copy.

    Args:
        name: ``"diorama"``, a folder, or a hub name; a hub is asked for JSON, text and safetensors alone.
    """
    if name == EMBEDDED:
        return EMBEDDED_FOLDER / part
    if os.path.isdir(name):
        return Path(name)
    return helper_copy(name, tokenizer=part == "clip")
