"""From a single .safetensors file in the original layout to a backbone; its header is judged before the rest."""

from __future__ import annotations

from pathlib import Path

import torch

from retouch.backbone.assemble import assembled, plan, vae_dtype
from retouch.backbone.autoencoder import autoencoder_config
from retouch.backbone.configs import PLAIN
from retouch.backbone.convert import converted
from retouch.backbone.formats import check_format
from retouch.backbone.headers import Header, read_header
from retouch.backbone.kinds import class_of, todays_names
from retouch.backbone.quiet import quietly
from retouch.backbone.schedule import prediction_type
from retouch.backbone.settings import ModelSettings
from retouch.backbone.shapes import UNET, VAE, configs_for
from retouch.backbone.shipped import CLASSES, configs_of, tokenizers_of
from retouch.backbone.unet import UNetBackbone
from retouch.errors import BadModel, RetouchError

_BIAS = f"{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias"


def from_file(
    name: str, path: Path, device: torch.device, dtype: torch.dtype, settings: ModelSettings,
    vae: tuple[str, Path] | None = None,
) -> UNetBackbone:  # fmt: skip
    """Loads a file; what it leaves out comes with Retouch, see :mod:`retouch.backbone.shipped`.

    Args:
        vae: an autoencoder for a file that holds none, by name and place.

    Raises:
        BadModel: when it holds no whole checkpoint of a family that retouch knows.
        BadParameter: when the settings do not go with it.
    """
    check_format(name, path)
    header = todays_names(read_header(f"the checkpoint {name!r}", path))
    outside = None if header.has(VAE) else vae
    kind = class_of(name, header, needs_vae=outside is None)
    configs = configs_for(header, kind, configs_of(kind))
    if outside is not None:
        configs["vae"] = autoencoder_config(*outside, configs["vae"])
    base = kind == "sd2" and predicts_noise(path, header)
    if base:
        configs["unet"]["sample_size"] = 64
    own = marked(name, header, base)
    configs["scheduler"] = own.applied(configs["scheduler"])
    if "ztsnr" in header.shapes and (settings.prediction or prediction_type(configs["scheduler"])) == "v_prediction":
        configs["scheduler"] = ModelSettings(zero_snr=True).applied(configs["scheduler"])
    family = CLASSES[kind]
    planned = plan(name, family, settings, configs, folder=False)
    dtypes = dict.fromkeys(family.weighty, dtype) | {"vae": vae_dtype(dtype, configs["vae"])}
    try:
        with quietly():
            parts = converted(name, path, header, kind, configs, dtypes, outside and outside[1]) | tokenizers_of(kind)
    except RetouchError:
        raise
    except Exception as error:  # three libraries and a file format, each with errors of its own
        told = f"it lacks {error}" if isinstance(error, KeyError) else f"its weights are odd ({type(error).__name__})"
        raise BadModel(f"the checkpoint {name!r} could not be read: {told}; fetch it again, or {PLAIN}") from error
    return assembled(planned, device, parts=parts)


def marked(name: str, header: Header, base: bool) -> ModelSettings:
    """What a file says of itself: by the keys that trainers put in (``v_pred``), by its metadata (the ModelSpec
    standard), or, of SD 2.x, by a rule of thumb.

    Raises:
        BadModel: when it says that its network predicts something else.
    """
    said = header.metadata.get("modelspec.prediction_type", "").lower()
    if "v_pred" in header.shapes or said in ("v", "v_prediction"):
        return ModelSettings(prediction="v_prediction")
    if said not in ("", "epsilon", "eps"):
        raise BadModel(
            f"the network of {name!r} predicts {said!r} by its own word (modelspec.prediction_type): {PLAIN}"
        )
    return ModelSettings(prediction="epsilon" if base or said else None)


def predicts_noise(path: Path, header: Header) -> bool:
    """Whether a single file of SD 2.x is a "base" model: noise prediction, 512 pixels.

    The file does not say, and its class's configuration is the 768-pixel model's, which predicts v. The spread of
    this bias tells them apart, a rule of thumb that other programs use too: above 0.09 the model predicts v.
    """
    if _BIAS not in header.shapes:
        return False
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return float(file.get_tensor(_BIAS).float().std(correction=0)) <= 0.09
