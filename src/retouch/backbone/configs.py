"""A model folder's configurations, checked once at the border, before anything heavy is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retouch.backbone.schedule import PREDICTIONS
from retouch.errors import BadModel

_PLAIN = "give a plain Stable Diffusion 1.x or 2.x text-to-image checkpoint."


def read_config(name: str, path: Path) -> dict[str, Any]:
    """A configuration file's fields.

    Raises:
        BadModel: when it is absent, no JSON, or no object.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadModel(f"{name!r} has no readable {where}: an interrupted download? Fetch the model again.") from error
    except ValueError as error:
        raise BadModel(f"{where} of {name!r} is damaged (no JSON): fetch the model again.") from error
    if not isinstance(content, dict):
        raise BadModel(f"{where} of {name!r} holds a {type(content).__name__}, expected an object: fetch it again.")
    return content


def checked_schedule(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's config as diffusers' own pipelines repair it: ``steps_offset`` 1, no clipping of ẑ_0.

    Raises:
        BadModel: when it describes no DDPM noise schedule, naming what it is.
    """
    kind = str(config.get("_class_name", "scheduler"))
    there = config.get("trained_betas") or all(config.get(key) for key in ("beta_start", "beta_end", "beta_schedule"))
    if not there or kind.startswith(("FlowMatch", "EDM")):
        what = f"a {kind}" if config.get("_class_name") else "a scheduler config"
        raise BadModel(
            f"{name!r} has {what} without DDPM's betas (a flow-matching or EDM model, or a damaged file): {_PLAIN}"
        )
    for key, usual in (("num_train_timesteps", 1000), ("steps_offset", 0)):
        _whole_number(name, "scheduler_config.json", key, config.get(key, usual), least=1 if usual else 0)
    for key in ("beta_start", "beta_end"):
        value = config.get(key)
        if not config.get("trained_betas") and not (isinstance(value, int | float) and 0 < value < 1):
            raise BadModel(
                f"scheduler_config.json of {name!r} says {key} {value!r}, expected a number in 0..1: mend it."
            )
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise BadModel(f"the network of {name!r} predicts {prediction!r}; known are {', '.join(PREDICTIONS)}: {_PLAIN}")
    return {**config, "steps_offset": 1, "clip_sample": False}


def check_unet(name: str, config: Mapping[str, Any]) -> None:
    """Refuses networks that take or give more than a text-to-image U-Net, by their names.

    Raises:
        BadModel: naming what the model is.
    """
    taken, given = config.get("in_channels", 4), config.get("out_channels", 4)
    special = (
        (config.get("time_cond_proj_dim"), "takes a guidance embedding (a latent consistency model)"),
        (config.get("class_embed_type") == "projection", "takes image embeddings (unCLIP)"),
        (config.get("class_embed_type") or config.get("num_class_embeds"), "takes a class or a noise level"),
        (config.get("addition_embed_type") == "text_time", "takes two text encoders and sizes (SDXL)"),
        (config.get("addition_embed_type"), f"takes additional embeddings ({config.get('addition_embed_type')})"),
        (config.get("encoder_hid_dim_type"), "takes projected embeddings (an IP-Adapter, IF or Kandinsky)"),
        (taken == 9, "takes a mask beside the picture (an inpainting model)"),
        (taken == 5, "takes a depth map (a depth-to-image model)"),
        (taken == 7, "takes a low-resolution picture (an upscaler)"),
        (taken == 2 * given, "takes a second picture (an instruct-pix2pix model)"),
        (taken != given, f"takes {taken} channels and gives {given}"),
    )
    for applies, what in special:
        if applies:
            raise BadModel(f"the network of {name!r} {what}, which retouch cannot edit with: {_PLAIN}")
    _whole_number(name, "unet/config.json", "sample_size", config.get("sample_size"), least=1)


def repaired_side(config: Mapping[str, Any]) -> int:
    """The network's latent side; configs written before diffusers 0.9 said 32 of models trained at 64."""
    side, version = int(config["sample_size"]), str(config.get("_diffusers_version", "0.0.0"))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    old = "_diffusers_version" in config and numbers < [0, 9]
    return 64 if old and side < 64 else side


def check_tokenizer(name: str, folder: Path) -> None:
    """Refuses a tokenizer without its vocabulary, which would read every prompt alike.

    Raises:
        BadModel: naming the files that are missing.
    """
    slow = all((folder / file).is_file() for file in ("vocab.json", "merges.txt"))
    if not slow and not (folder / "tokenizer.json").is_file():
        raise BadModel(
            f"the tokenizer of {name!r} has no vocabulary (vocab.json and merges.txt, or tokenizer.json): an "
            "interrupted download? Fetch the model again."
        )


def _whole_number(name: str, file: str, key: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadModel(
            f"{file} of {name!r} says {key} {value!r}, expected a whole number from {least}: mend the file, or fetch "
            "the model again."
        )
