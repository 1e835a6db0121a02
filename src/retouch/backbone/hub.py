"""What a hub has of a model: from the cache at once, else asked for, configurations before weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from retouch.backbone.configs import has_vocabulary
from retouch.backbone.family import FAMILIES, IF, Family, family_of
from retouch.backbone.folder import INDEX, check_parts, check_weights, is_cascade, weight_files
from retouch.backbone.recommended import FILE as RECOMMENDED_FILE
from retouch.errors import BadModel

# only what is read: many repositories hold each part in half a dozen further formats
_PARTS = dict.fromkeys(part for family in FAMILIES for part in family.parts)
_SMALL = (
    INDEX,
    RECOMMENDED_FILE,
    *(f"{part}/*.{end}" for part in _PARTS for end in ("json", "txt")),
    "tokenizer/spiece.model",
)
_OF_SECOND = (INDEX, *(f"{part}/*.json" for part in ("unet", "scheduler", "image_noising_scheduler")))


def hub_folder(name: str, offline: bool, judge: Callable[[Path], object]) -> Path:
    """A hub model's folder in the cache, fetched where it is not there yet.

    Args:
        offline: never ask the hub.
        judge: is shown the configurations before weights are fetched, and raises where they are of no use.

    Raises:
        BadModel: when the model is neither in the cache nor can be fetched, or is of another kind.
    """
    from huggingface_hub import list_repo_files

    cached = _cached(name, _SMALL)
    if cached is not None and _whole(cached):
        return cached  # at once, also without a network
    if _forbidden(offline):
        if cached is not None:
            return cached  # what it lacks is said by whoever reads it
        raise BadModel(
            f"the model {name!r} is neither a local path nor was it fetched before, and no hub may be asked (offline, "
            "or HF_HUB_OFFLINE): fetch it once with a connection, or give the path of a diffusers folder."
        )
    remedy = (
        f"the model {name!r} is neither a local path nor could it be fetched ({{}}): check the name and the "
        "connection, or give the path of a diffusers folder or .safetensors file."
    )
    try:
        there = list_repo_files(name)
    except Exception as error:  # whatever the hub, the network or the cache raises, the user's remedy is the same
        raise BadModel(remedy.format(type(error).__name__)) from error
    family = _family(name, there, remedy)
    check_weights(name, family, there)
    judge(_fetched(name, _SMALL, remedy))
    weights = [file for part in family.weighty for file in weight_files(family, part, there)[0]]
    return _fetched(name, [*_SMALL, *weights], remedy)


def _family(name: str, there: Sequence[str], remedy: str) -> Family:
    """The family of a repository by its files' names; where there is no autoencoder, by its configurations."""
    parts = {file.split("/")[0] for file in there if "/" in file}
    if parts >= set(IF.parts) and "vae" not in parts and is_cascade(_fetched(name, _SMALL, remedy)):
        return IF
    return check_parts(name, parts, [file for file in there if "/" not in file])


def stage_copy(name: str, offline: bool) -> Path:
    """A hub's copy of a cascade's second stage: its network and its two schedulers.

    Raises:
        BadModel: when it is neither in the cache nor can be fetched.
    """
    from huggingface_hub import list_repo_files

    cached = _cached(name, [*_OF_SECOND, f"{IF.stem('unet')}*.safetensors"])
    if cached is not None and (_forbidden(offline) or any((cached / "unet").glob("*.safetensors"))):
        return cached
    remedy = (
        f"the super_resolution stage {name!r} is neither a local path nor could it be fetched ({{}}): check the name "
        "and the connection, or give the path of a diffusers folder."
    )
    if _forbidden(offline):
        raise BadModel(remedy.format("offline"))
    try:
        there = list_repo_files(name)
    except Exception as error:  # as above
        raise BadModel(remedy.format(type(error).__name__)) from error
    return _fetched(name, [*_OF_SECOND, *weight_files(IF, "unet", there)[0]], remedy)


def helper_copy(name: str, *, tokenizer: bool, stem: str = "model") -> Path:
    """A hub's copy of a model that serves beside a checkpoint: JSON, text and safetensors alone.

    Args:
        tokenizer: whether it reads text too.
        stem: how the name of its weights begins.
    """
    from huggingface_hub import snapshot_download

    patterns, ignored = ["*.json", "*.txt", f"{stem}*.safetensors"], ["*fp16*"]
    cached = _cached(name, patterns)
    there = cached and (cached / "config.json").is_file() and any(cached.glob(f"{stem}*.safetensors"))
    if cached is not None and there and (has_vocabulary(cached) or not tokenizer):
        return cached  # at once, also without a network
    return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=ignored))


def _cached(name: str, patterns: Sequence[str]) -> Path | None:
    """What the cache has of a repository; None where that is nothing."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=True))
    except (OSError, ValueError):  # nothing of it was fetched before
        return None


def _fetched(name: str, patterns: Sequence[str], remedy: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=False))
    except Exception as error:  # whatever the hub, the network or the cache raises, the user's remedy is the same
        raise BadModel(remedy.format(type(error).__name__)) from error


def _forbidden(offline: bool) -> bool:
    from huggingface_hub import constants

    return offline or bool(constants.HF_HUB_OFFLINE)


def _whole(folder: Path) -> bool:
    """Whether nothing that is read is missing: an interrupted download is gone on with."""
    parts, unet = {path.name for path in folder.iterdir()}, folder / "unet" / "config.json"
    if unet.is_file() and '"text_time"' in unet.read_text(encoding="utf-8", errors="replace"):
        parts.add("text_encoder_2")  # SDXL's, though it may not have come yet
    family = IF if is_cascade(folder) else family_of(parts)
    described = all((folder / file).is_file() for file in family.configs.values())
    read = all(
        has_vocabulary(folder / part) or (folder / part / "spiece.model").is_file() for part in family.tokenizers
    )
    if not described or not read:
        return False
    for part in family.weighty:
        there = [path.relative_to(folder).as_posix() for path in (folder / part).iterdir()]
        found, _ = weight_files(family, part, there)
        shards = found[0].rpartition("-of-")[2].partition(".")[0] if found and "-of-" in found[0] else "1"
        if len(found) != int(shards):
            return False
    return True
