"""A model folder's configurations, checked once at the border, before anything heavy is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retouch.backbone.family import SD, SDXL, Family
from retouch.backbone.fields import check_fields, refuse_field
from retouch.backbone.schedule import PREDICTIONS
from retouch.errors import BadModel

PLAIN = "give a plain text-to-image checkpoint of Stable Diffusion 1.x, 2.x or SDXL."
ONLY_SD = "retouch edits with Stable Diffusion 1.x, 2.x and SDXL models."

_CLIP = {
    "hidden_size": 512, "vocab_size": 49408, "projection_dim": 512, "num_attention_heads": 8, "eos_token_id": 49407,
}  # fmt: skip
_USUAL: Mapping[str, Mapping[str, Any]] = {
    "unet": {
        "in_channels": 4, "out_channels": 4, "cross_attention_dim": 1280, "attention_head_dim": 8,
        "block_out_channels": [320, 640, 1280, 1280], "norm_num_groups": 32, "sample_size": None,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    },
    "vae": {
        "in_channels": 3, "out_channels": 3, "latent_channels": 4, "scaling_factor": 0.18215, "norm_num_groups": 32,
        "block_out_channels": [64], "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
    },
    "text_encoder": _CLIP, "text_encoder_2": _CLIP,
}  # fmt: skip
"""What the libraries take where a config does not say."""
_UNSAID_SIDE = {SD.name: 64, SDXL.name: 128}
"""The latent side where a network's config says none, as diffusers' pipelines have it."""


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
    if not content:
        raise BadModel(f"{where} of {name!r} says nothing: an interrupted download? Fetch the model again.")
    return content


def loaded_config(part: Any) -> dict[str, Any]:
    """What a loaded part says of itself as its file would, with its class."""
    config = part.config.to_dict() if hasattr(part.config, "to_dict") else dict(part.config)
    told: dict[str, Any] = json.loads(json.dumps(config, default=_plain))
    return {**told, "_class_name": type(part).__name__}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def checked_schedule(name: str, config: Mapping[str, Any], family: Family, file: str) -> dict[str, Any]:
    """A scheduler's config as diffusers' own pipelines repair it: no clipping of ẑ_0, for SD ``steps_offset`` 1.

    Args:
        file: the config's, as a sentence calls it.

    Raises:
        BadModel: when it describes no DDPM noise schedule, naming what it is.
    """
    kind = str(config.get("_class_name", "scheduler"))
    there = config.get("trained_betas") is not None or all(
        config.get(key) for key in ("beta_start", "beta_end", "beta_schedule")
    )
    if not there or kind.startswith(("FlowMatch", "EDM")) or config.get("use_flow_sigmas"):
        what = f"a {kind}" if config.get("_class_name") else "a scheduler config"
        raise BadModel(
            f"{name!r} has {what} that does not walk DDPM's betas (a flow-matching or EDM model, or a damaged file): "
            f"{PLAIN}"
        )
    check_fields(name, "scheduler", file, config)
    steps: Any = config.get("num_train_timesteps", 1000)
    betas = config.get("trained_betas")
    if betas is not None and not (
        isinstance(betas, list) and len(betas) == steps and all(_is_number(beta) and 0 <= beta <= 1 for beta in betas)
    ):
        refuse_field(name, file, "trained_betas", betas, f"{steps} numbers in 0..1")
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise BadModel(f"the network of {name!r} predicts {prediction!r}; known are {', '.join(PREDICTIONS)}: {PLAIN}")
    return {**config, **({"steps_offset": 1} if family is SD else {}), "clip_sample": False}


def check_unet(name: str, config: Mapping[str, Any], family: Family) -> None:
    """Refuses networks that take or give more than a text-to-image U-Net of the family, by their names.

    Raises:
        BadModel: naming what the model is.
    """
    taken, given = config.get("in_channels", 4), config.get("out_channels", 4)
    added = config.get("addition_embed_type")
    special = (
        (config.get("class_embed_type") == "projection", "takes image embeddings (unCLIP)"),
        (
            config.get("class_embed_type") or config.get("num_class_embeds") or config.get("class_embeddings_concat"),
            "takes a class or a noise level",
        ),
        (config.get("dual_cross_attention"), "reads two texts or a picture (Versatile Diffusion)"),
        (family is SD and added == "text_time", "takes the texts of two encoders (SDXL), and there is one"),
        (family is SDXL and not added, "takes neither sizes nor pooled texts beside two text encoders (no SDXL)"),
        (added not in (None, "text_time"), f"takes additional embeddings ({added})"),
        ((config.get("attention_type") or "default") != "default", "takes boxes for words (GLIGEN)"),
        (
            config.get("encoder_hid_dim_type") or config.get("encoder_hid_dim"),
            "takes projected embeddings (an IP-Adapter, IF or Kandinsky)",
        ),
        (taken == 9, "takes a mask beside the picture (an inpainting model)"),
        (taken == 5, "takes a depth map (a depth-to-image model)"),
        (taken == 7, "takes a low-resolution picture (an upscaler)"),
        (taken == 2 * given, "takes a second picture (an instruct-pix2pix model)"),
        (taken != given, f"takes {taken} channels and gives {given}"),
    )
    for applies, what in special:
        if applies:
            raise BadModel(f"the network of {name!r} {what}, which retouch cannot edit with: {PLAIN}")


def check_network_and_parts(
    name: str, family: Family, configs: Mapping[str, Mapping[str, Any]], files: Mapping[str, str]
) -> None:
    """Refuses a network, autoencoder and text encoders of other kinds, or that do not belong together.

    Args:
        configs: by part: unet, vae, and the family's text encoders.
        files: the configs' own, as sentences call them.

    Raises:
        BadModel: naming what the model is, or the field that is wrong.
    """
    known = {part: usual(part, configs[part]) for part in family.weighty}
    unet, vae, texts = known["unet"], known["vae"], {part: known[part] for part in family.encoders}
    kinds = (
        ("unet", unet.get("_class_name"), "UNet2DConditionModel"),
        *((part, text.get("model_type"), "clip_text_model") for part, text in texts.items()),
    )
    for part, kind, expected in kinds:
        if kind is not None and kind != expected:
            raise BadModel(f"the {part} of {name!r} is a {kind}, which retouch cannot edit with: {PLAIN}")
    for part in ("unet", *texts):
        check_fields(name, part, files[part], known[part])
    check_unet(name, unet, family)
    check_autoencoder(f"the vae of {name!r}", name, files["vae"], vae)
    taken, given = unet["in_channels"], vae["latent_channels"]
    if taken != given:
        raise BadModel(
            f"the network of {name!r} takes {taken} channels but its autoencoder gives {given}: its parts do not "
            "belong together."
        )
    width = sum(text["hidden_size"] for text in texts.values())
    if unet["cross_attention_dim"] != width:
        raise BadModel(
            f"the network of {name!r} reads text embeddings of width {unet['cross_attention_dim']} but its text "
            f"encoder{'s give' if len(texts) > 1 else ' gives'} {width}: its parts do not belong together."
        )
    if family is SDXL:
        _check_added(name, unet, texts["text_encoder_2"])


def check_autoencoder(called: str, name: str, file: str, config: Mapping[str, Any]) -> None:
    """Refuses an autoencoder of another kind.

    Args:
        called: as a sentence has it.
        name, file: of its configuration.

    Raises:
        BadModel: naming what it is, or the field that is wrong.
    """
    vae = usual("vae", config)
    kind = vae.get("_class_name")
    if kind is not None and kind != "AutoencoderKL":
        raise BadModel(f"{called} is a {kind}, expected an AutoencoderKL: give that of a plain Stable Diffusion.")
    check_fields(name, "vae", file, vae)
    for key in ("in_channels", "out_channels"):
        if vae[key] != 3:
            raise BadModel(
                f"{called} has {key} {vae[key]!r} (sound, or pictures with depth?), expected 3: give that of a plain "
                "Stable Diffusion."
            )
    for key in ("latents_mean", "latents_std"):
        if vae.get(key):
            raise BadModel(
                f"{called} scales every channel of its latents by itself ({key}), as those of other models do: give "
                "that of a plain Stable Diffusion."
            )


def _check_added(name: str, unet: Mapping[str, Any], text: Mapping[str, Any]) -> None:
    """Refuses an SDXL network that takes something else than a pooled text and six numbers."""
    each, taken = (unet.get(key) for key in ("addition_time_embed_dim", "projection_class_embeddings_input_dim"))
    numbers = (taken - text["projection_dim"]) / each if each and taken else None
    if numbers == 5:
        raise BadModel(f"{name!r} is an SDXL refiner, which goes on with what a base model began; {ONLY_SD}")
    if numbers != 6:
        raise BadModel(
            f"the network of {name!r} takes {taken} numbers beside its texts, expected a pooled text's "
            f"{text['projection_dim']} and 6 times {each}: its parts do not belong together."
        )


def latent_side(config: Mapping[str, Any], family: Family) -> int:
    """The side of the latents that a network was trained on; of height and width, that of a square as large."""
    said = config.get("sample_size")
    if isinstance(said, list | tuple):
        return round(math.prod(said) ** (1 / len(said)))
    return _UNSAID_SIDE[family.name] if said is None else int(said)


def repaired_side(config: Mapping[str, Any], family: Family) -> int:
    """The network's latent side; configs written before diffusers 0.9 said 32 of models trained at 64."""
    side, version = latent_side(config, family), str(config.get("_diffusers_version", "0.0.0"))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    old = "_diffusers_version" in config and numbers < [0, 9]
    return 64 if old and side < 64 else side


def usual(part: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with what the libraries take where it does not say."""
    return {**_USUAL[part], **config}


def doublings(part: str, config: Mapping[str, Any]) -> int:
    """How often the network ("unet") or the autoencoder ("vae") halves a picture's sides."""
    return len(usual(part, config)["block_out_channels"]) - 1


def has_vocabulary(folder: Path) -> bool:
    """Whether a tokenizer's folder has what it splits words by."""
    slow = all((folder / file).is_file() for file in ("vocab.json", "merges.txt"))
    return slow or (folder / "tokenizer.json").is_file()


def check_tokenizer(name: str, folder: Path) -> None:
    """Refuses a tokenizer without its vocabulary, which would read every prompt alike.

    Raises:
        BadModel: naming the files that are missing, or what its config says wrongly.
    """
    if not has_vocabulary(folder):
        raise BadModel(
            f"the tokenizer of {name!r} has no vocabulary (vocab.json and merges.txt, or tokenizer.json): an "
            "interrupted download? Fetch the model again."
        )
    if (folder / "tokenizer_config.json").is_file():
        config = read_config(name, folder / "tokenizer_config.json")
        check_fields(name, "tokenizer", f"{folder.name}/tokenizer_config.json", config)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
