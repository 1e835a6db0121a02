"""The stages of a pixel cascade from their folders: what can be checked is, before weights are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from retouch.backbone.assemble import Plan, assembled
from retouch.backbone.configs import checked_schedule, has_vocabulary, loaded_config, read_config
from retouch.backbone.family import IF
from retouch.backbone.fields import check_fields
from retouch.backbone.filled import Subject, blank, fill, read_weights
from retouch.backbone.folder import check_weights, part_files
from retouch.backbone.quiet import quietly
from retouch.backbone.recommended import FILE, read_recommended
from retouch.backbone.schedule import prediction_type, schedule_from_config
from retouch.backbone.settings import UNGUIDED, ModelSettings, ReadAs
from retouch.backbone.super_resolution import SECOND, Enlarging, SuperResolution
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, BadParameter, RetouchError
from retouch.parameters import read_settings

_SECOND_PARTS = ("unet", "scheduler", "image_noising_scheduler")
_STAGE = "give the base stage of a cascade in DeepFloyd IF's layout, and the second as super_resolution."


def from_stages(
    name: str, folder: Path, second: Path | None, device: torch.device, dtype: torch.dtype, settings: ModelSettings
) -> UNetBackbone:
    """Loads a base stage, and the second one.

    Args:
        second: the second stage's folder; None for the one inside the first's, where there is one.

    Raises:
        BadModel: when a stage is missing, damaged or of another kind.
        BadParameter: when the settings do not go with it.
    """
    planned, configs = stages_judged(name, folder, settings)
    second = second or (folder / SECOND if (folder / SECOND / "unet").is_dir() else None)
    small = None if second is None else {part: _second_config(name, second, part) for part in _SECOND_PARTS}
    if small:
        check_second(name, configs["unet"], small)
    inside = [path for part in IF.weighty for path in (folder / part).iterdir()]
    check_weights(name, IF, [path.relative_to(folder).as_posix() for path in inside])
    try:
        with quietly():
            parts = _loaded(name, folder, configs, dtype)
            drawn = None if second is None or small is None else _loaded_second(name, second, small, dtype, device)
    except RetouchError:
        raise
    except Exception as error:  # three libraries and a file format, each with errors of its own
        raise BadModel(f"the model {name!r} could not be read ({type(error).__name__}): fetch it again.") from error
    if drawn is not None:
        drawn.enlarging = recommended_enlarging(name, folder)
    return assembled(planned, device, read_recommended(folder), parts=parts, super_resolution=drawn)


def stages_judged(name: str, folder: Path, settings: ModelSettings) -> tuple[Plan, dict[str, dict[str, Any]]]:
    """What a base stage's small files say: the plan, and the configurations by part. No weights are looked at.

    Raises:
        BadModel, BadParameter: as :func:`from_stages`.
    """
    configs = {
        part: read_config(name, folder / file) for part, file in IF.configs.items() if _there(name, folder, part)
    }
    planned = plan_stages(name, settings, configs)
    _check_tokenizer(name, folder / "tokenizer")
    return planned, configs


def plan_stages(name: str, settings: ModelSettings, configs: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Checks a base stage's configurations by themselves and against each other.

    Raises:
        BadModel: when it is no base stage, or its parts do not belong together.
        BadParameter: when the settings do not go with it.
    """
    unet, text = configs["unet"], configs["text_encoder"]
    own = checked_schedule(name, configs["scheduler"], IF, IF.configs["scheduler"])
    check_network(name, IF.configs["unet"], unet)
    if unet.get("in_channels") != 3 or unet.get("class_embed_type"):
        raise BadModel(f"{name!r} is a stage of a cascade that enlarges pictures, not one that makes them: {_STAGE}")
    if text.get("model_type") not in (None, "t5"):
        raise BadModel(f"the text encoder of {name!r} is a {text['model_type']}, expected T5's encoder: {_STAGE}")
    check_fields(name, "t5", IF.configs["text_encoder"], text)
    width = text.get("d_model", 512)
    if unet.get("encoder_hid_dim") != width:
        raise BadModel(
            f"the network of {name!r} reads text embeddings of width {unet.get('encoder_hid_dim')} but its text "
            f"encoder gives {width}: its parts do not belong together."
        )
    side, multiple = int(unet["sample_size"]), 2 ** (len(unet["block_out_channels"]) - 1)
    if settings.native is not None and settings.native % multiple:
        raise BadParameter(f"native is {settings.native}, expected a multiple of {multiple} for {name!r}.")
    if settings.guidance is not None:
        raise BadParameter(f"guidance is {settings.guidance:g}, but the network of {name!r} takes no guidance scale.")
    said = {"prediction": prediction_type(own), "zero_snr": False, "native": side, "guidance": UNGUIDED}
    schedule = settings.applied(own)
    schedule_from_config(schedule, min(50, int(schedule.get("num_train_timesteps", 1000))))
    return Plan(name, IF, schedule, settings.native or side, ReadAs(settings.given(), said))


def check_network(name: str, file: str, unet: Mapping[str, Any]) -> None:
    """Refuses what is no U-Net of IF's kind.

    Raises:
        BadModel: naming the field.
    """
    check_fields(name, "pixel unet", file, unet)
    if unet.get("addition_embed_type") != "text" or not unet.get("encoder_hid_dim"):
        raise BadModel(f"the network of {name!r} is none of DeepFloyd IF's layout: {_STAGE}")
    if unet.get("out_channels") not in (3, 6):
        raise BadModel(
            f"the network of {name!r} gives {unet.get('out_channels')} channels, expected 3, or 6 with variances: "
            f"{_STAGE}"
        )


def check_second(name: str, first: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses a second stage that does not go with the first.

    Args:
        first: the base network's config.
        configs: the second stage's: unet, scheduler, image_noising_scheduler.

    Raises:
        BadModel: saying why.
    """
    unet = configs["unet"]
    check_network(name, f"{SECOND}/unet/config.json", unet)
    if unet.get("in_channels") != 6 or unet.get("class_embed_type") != "timestep":
        raise BadModel(
            f"super_resolution of {name!r} is no stage that enlarges: it takes {unet.get('in_channels')} channels, "
            "expected 6 and a noise level (DeepFloyd IF's second)."
        )
    side, small = int(unet["sample_size"]), int(first["sample_size"])
    if side % small or side <= small:
        raise BadModel(f"super_resolution of {name!r} draws {side} pixels, expected a multiple of the base's {small}.")
    if unet.get("encoder_hid_dim") != first.get("encoder_hid_dim"):
        raise BadModel(
            f"super_resolution of {name!r} reads text embeddings of width {unet.get('encoder_hid_dim')}, the base "
            f"{first.get('encoder_hid_dim')}: the stages do not belong together."
        )
    for part in ("scheduler", "image_noising_scheduler"):
        checked_schedule(name, configs[part], IF, f"{SECOND}/{part}/scheduler_config.json")


def recommended_enlarging(name: str, folder: Path) -> Enlarging:
    """How a model's folder recommends that its second stage samples.

    Raises:
        BadModel: when it says something else than settings.
    """
    if not (folder / FILE).is_file():
        return Enlarging()
    said = read_config(name, folder / FILE).get(SECOND, {})
    try:
        return Enlarging(**read_settings(Enlarging, said, "super-resolution"))
    except (BadParameter, TypeError) as error:
        raise BadModel(f"{FILE} of {name!r} is damaged: {error}") from error


def _there(name: str, folder: Path, part: str) -> bool:
    """True; a base stage without a part is refused by the part's name."""
    if not (folder / part).is_dir():
        missing = [one for one in IF.parts if not (folder / one).is_dir()]
        raise BadModel(f"{name!r} is no whole base stage of a cascade: it lacks {', '.join(missing)}; {_STAGE}")
    return True


def _second_config(name: str, folder: Path, part: str) -> dict[str, Any]:
    file = folder / part / ("config.json" if part == "unet" else "scheduler_config.json")
    if not file.is_file():
        raise BadModel(
            f"the second stage of {name!r} lacks its {part}: give a whole one as super_resolution, or take the folder "
            f"away, and pictures are edited at the base model's own size."
        )
    return read_config(name, file)


def _check_tokenizer(name: str, folder: Path) -> None:
    if not (has_vocabulary(folder) or (folder / "spiece.model").is_file()):
        raise BadModel(f"the tokenizer of {name!r} has no vocabulary (spiece.model or tokenizer.json): fetch it again.")


def _loaded(name: str, folder: Path, configs: Mapping[str, Mapping[str, Any]], dtype: torch.dtype) -> dict[str, Any]:
    parts = {part: _filled(name, folder, part, configs[part]).to(dtype) for part in IF.weighty}
    return {"tokenizer": t5_tokenizer(name, folder / "tokenizer"), **parts}


def _filled(name: str, folder: Path, part: str, config: Mapping[str, Any], file: str = "") -> Any:
    """A part with its weights."""
    of = Subject(name, part, file or IF.configs[part])
    made = blank(of, config)
    fill(of, made, read_weights(part_files(name, folder, IF, part)))
    return made


def t5_tokenizer(name: str, folder: Path) -> Any:
    """T5's tokenizer from its folder.

    Raises:
        BadModel: when it cannot be read.
    """
    from transformers.models.t5.tokenization_t5 import T5Tokenizer

    try:
        return T5Tokenizer.from_pretrained(folder, local_files_only=True)
    except (ImportError, ValueError) as error:
        raise BadModel(
            f"the tokenizer of {name!r} could not be read ({type(error).__name__}): a spiece.model alone needs the "
            "packages sentencepiece and protobuf (pip install sentencepiece protobuf)."
        ) from error


def _loaded_second(
    name: str, folder: Path, configs: Mapping[str, Mapping[str, Any]], dtype: torch.dtype, device: torch.device
) -> SuperResolution:
    unet = _filled(name, folder, "unet", configs["unet"], f"{SECOND}/unet/config.json").to(device, dtype)
    unet.eval().requires_grad_(False)
    return second_stage(name, unet, configs["scheduler"], configs["image_noising_scheduler"])


def second_stage(name: str, unet: Any, scheduler: Mapping[str, Any], noising: Mapping[str, Any]) -> SuperResolution:
    """A second stage of its network, as it is, and its two schedulers' configs."""
    alphas = schedule_from_config(
        checked_schedule(name, noising, IF, f"{SECOND}/image_noising_scheduler"), 1
    ).alphas_cumprod.float()
    return SuperResolution(
        unet,
        checked_schedule(name, scheduler, IF, f"{SECOND}/scheduler"),
        alphas,
    )


def check_second_pipe(name: str, first: Any, second: Any, *, cascade: bool) -> None:
    """Refuses what is no pipeline of a second stage, or does not go with the first.

    Raises:
        BadParameter: when there is no cascade to which it could belong, or it is no such pipeline.
        BadModel: when the stages do not go together.
    """
    if not cascade:
        raise BadParameter(f"super_resolution is given, but {name!r} is no base stage of a cascade: leave it out.")
    missing = [part for part in _SECOND_PARTS if getattr(second, part, None) is None]
    if missing:
        raise BadParameter(
            f"super_resolution is a {type(second).__name__} without {', '.join(missing)}, expected an "
            "IFSuperResolutionPipeline or IFImg2ImgSuperResolutionPipeline."
        )
    check_second(
        name, loaded_config(first.unet), {part: loaded_config(getattr(second, part)) for part in _SECOND_PARTS}
    )


def second_of_pipe(name: str, pipe: Any) -> SuperResolution:
    """The second stage of a live pipeline's own parts, which stay as they are."""
    configs = {part: loaded_config(getattr(pipe, part)) for part in _SECOND_PARTS}
    return second_stage(name, pipe.unet, configs["scheduler"], configs["image_noising_scheduler"])
