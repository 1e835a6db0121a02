"""From a folder in diffusers' layout to a backbone: what can be checked is, before weights are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

import torch

from retouch.backbone.assemble import Plan, assembled, plan, vae_dtype
from retouch.backbone.configs import ONLY_SD, PLAIN, check_tokenizer, read_config
from retouch.backbone.family import SDXL, Family, family_of
from retouch.backbone.filled import Subject, blank, fill, read_weights
from retouch.backbone.formats import CONVERT, PICKLED, is_file_name, rank
from retouch.backbone.headers import read_header
from retouch.backbone.others import other_kind
from retouch.backbone.quiet import quietly
from retouch.backbone.recommended import read_recommended
from retouch.backbone.settings import ModelSettings
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, RetouchError

INDEX = "model_index.json"
_FORM = r"(?:\.(?P<variant>\w+))?(?P<shard>-\d+-of-\d+)?(?:\.(?P<old>\w+))?\.safetensors"
_VARIANTS = {"": 0, "fp16": 1, "non_ema": 3}
"""Which variant of a part is read, the smallest number first."""


def from_folder(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype, settings: ModelSettings
) -> UNetBackbone:
    """Loads a folder.

    Raises:
        BadModel: when it holds no model of a family that retouch knows, or a damaged one.
        BadParameter: when the settings do not go with it.
    """
    planned, configs = judged(name, folder, settings)
    family, recommended = planned.family, read_recommended(folder)
    inside = [path for part in family.weighty for path in (folder / part).iterdir()]
    check_weights(name, family, [path.relative_to(folder).as_posix() for path in inside])
    files = {part: part_files(name, folder, family, part) for part in family.weighty}
    try:
        with quietly():
            parts = {part: _tokenizer(name, folder / part) for part in family.tokenizers}
            named = {part: Subject(name, part, family.configs[part]) for part in family.weighty}
            parts |= {part: blank(of, configs[part]) for part, of in named.items()}
            for part, paths in files.items():
                fill(named[part], parts[part], read_weights(paths))
                parts[part].to(vae_dtype(dtype, configs["vae"]) if part == "vae" else dtype)
    except RetouchError:
        raise
    except Exception as error:  # three libraries and a file format, each with errors of its own
        raise BadModel(f"the model {name!r} could not be read ({type(error).__name__}): fetch it again.") from error
    return assembled(planned, device, recommended, parts=parts, **_more(name, family, folder))


def _tokenizer(name: str, folder: Path) -> Any:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a library in two languages, each with errors of its own
        there = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".txt")]
        for path in there:
            if path.suffix == ".json":
                read_config(name, path)
        raise BadModel(
            f"the {folder.name} of {name!r} cannot be made of its {', '.join(path.name for path in there)}: one of "
            "them is damaged, fetch the model again."
        ) from error


def _more(name: str, family: Family, folder: Path) -> dict[str, Any]:
    """What a family's backbone takes beside its parts."""
    if family is not SDXL:
        return {}
    index = read_config(name, folder / INDEX) if (folder / INDEX).is_file() else {}
    return {"zeros_for_empty": bool(index.get("force_zeros_for_empty_prompt", True))}


def judged(name: str, folder: Path, settings: ModelSettings) -> tuple[Plan, dict[str, dict[str, Any]]]:
    """What a folder's small files say: the plan, and the configurations by part. No weights are looked at.

    Raises:
        BadModel, BadParameter: as :func:`from_folder`.
    """
    inside = list(folder.iterdir())
    index = read_config(name, folder / INDEX) if (folder / INDEX).is_file() else {}
    parts = {path.name for path in inside if path.is_dir()}
    family = check_parts(name, parts, [path.name for path in inside], str(index.get("_class_name", "")))
    configs = {part: read_config(name, folder / file) for part, file in family.configs.items()}
    planned = plan(name, family, settings, configs)
    for part in family.tokenizers:
        check_tokenizer(name, folder / part)
    return planned, configs


def check_parts(name: str, parts: Set[str], files: Iterable[str], pipeline: str = "") -> Family:
    """The family of a model, by what it is made of.

    Args:
        parts: names of its folders.
        files: names of what lies beside them.
        pipeline: the class of diffusers that it is for, where that is known.

    Raises:
        BadModel: when it is of another kind, or a part is missing.
    """
    other = other_kind(parts, pipeline)
    if other:
        raise BadModel(f"{name!r} is {other}; {ONLY_SD}")
    family = family_of(parts)
    missing = [part for part in family.parts if part not in parts]
    if not missing:
        return family
    single = sorted((file for file in files if is_file_name(Path(file))), key=lambda file: (rank(Path(file)), file))
    if len(missing) == len(family.parts) and single:
        raise BadModel(
            f"{name!r} holds single files and no diffusers folder: give the path of one that is a .safetensors "
            f"checkpoint, here {single[0]}."
        )
    raise BadModel(
        f"{name!r} is not {'an SDXL' if family is SDXL else 'a Stable Diffusion'} folder: it lacks "
        f"{', '.join(missing)} (expected the layout that diffusers saves)."
    )


def is_cascade(folder: Path) -> bool:
    """Whether a folder holds a stage in DeepFloyd IF's layout."""
    if (folder / INDEX).is_file() and '"IF' in (folder / INDEX).read_text(encoding="utf-8", errors="replace"):
        return True
    unet = folder / "unet" / "config.json"
    return unet.is_file() and "SimpleCrossAttn" in unet.read_text(encoding="utf-8", errors="replace")


def check_weights(name: str, family: Family, files: Iterable[str]) -> None:
    """Refuses a model a part of which has no weights in a safetensors file.

    Args:
        files: of the whole folder, as ``unet/config.json``.

    Raises:
        BadModel: naming the part, and whether there are pickled weights.
    """
    there = set(files)
    for part in family.weighty:
        if not weight_files(family, part, there)[0]:
            pickled = any(file.startswith(f"{part}/") and file.endswith(PICKLED) for file in there)
            raise BadModel(
                f"{name!r} has {'pickled weights only' if pickled else 'no weights'} for its {part}, expected "
                f"{family.stem(part)}.safetensors: " + (CONVERT if pickled else f"fetch the model again, or {PLAIN}")
            )


def weight_files(family: Family, part: str, files: Iterable[str]) -> tuple[list[str], str]:
    """Those of a model's files that hold a part's weights, whole or in shards, and their variant.

    The variant without a name comes first; where there is none, half precision, then any other, and the weights before
    averaging last.
    """
    form = re.compile(re.escape(family.stem(part)) + _FORM)
    found: dict[str, tuple[list[str], list[str]]] = {}
    for file in sorted(files):
        match = form.fullmatch(file)
        if match:
            variant = match["variant"] or match["old"] or ""
            found.setdefault(variant, ([], []))[bool(match["shard"])].append(file)
    best = min(found, key=lambda variant: (_VARIANTS.get(variant, 2), variant), default="")
    whole, shards = found.get(best, ([], []))
    return whole or shards, best


def part_files(name: str, folder: Path, family: Family, part: str) -> list[Path]:
    """The files of a part's weights, which are there and whole as far as their headers tell."""
    there = [path.relative_to(folder).as_posix() for path in (folder / part).iterdir()]
    chosen, _ = weight_files(family, part, there)
    for file in chosen:
        read_header(f"{file} of {name!r}", folder / file)
    return [folder / file for file in chosen]
