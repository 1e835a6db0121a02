"""The weights of a single file under the names of diffusers and transformers: by diffusers' own conversions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retouch.backbone.headers import Header
from retouch.backbone.shapes import CLIP, UNET, VAE

_AVERAGED = "model_ema."


def averaged(header: Header) -> bool:
    """Whether a file holds the network twice: as it was trained, and averaged over training (EMA)."""
    return all(_average_of(name) in header.shapes for name in header.shapes if name.startswith(UNET))


def _average_of(name: str) -> str:
    """Where the average of a tensor of the network lies: the trainer's names have no dots."""
    return _AVERAGED + name.removeprefix("model.").replace(".", "")


def converted(
    path: Path, header: Header, kind: str, configs: Mapping[str, Mapping[str, Any]], dtypes: Mapping[str, torch.dtype]
) -> dict[str, Any]:
    """The parts that hold weights, by name. Where a network is there twice it is the averaged one.

    Args:
        header: with the names of today, see :func:`retouch.backbone.kinds.todays_names`.
        configs: what they are to be, by part.
        dtypes: their precisions, by part.

    Raises:
        ValueError: when weights are missing or of another size.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    read = _reader(path, header)
    unet = convert_ldm_unet_checkpoint(read(UNET, averaged(header)), dict(configs["unet"]))
    guided = f"{UNET}time_embed.cond_proj.weight"
    if guided in header.shapes:
        unet["time_embedding.cond_proj.weight"] = read(guided, averaged(header))[guided]
    vae = convert_ldm_vae_checkpoint(read(VAE, False), dict(configs["vae"]))
    with _empty():
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel.from_config(dict(configs["unet"])),
            "vae": AutoencoderKL.from_config(dict(configs["vae"])),
        }
    _fill("unet", parts["unet"], unet)
    _fill("vae", parts["vae"], vae)
    for part, prefix in CLIP[kind].items():
        parts[part] = _text_encoder(part, prefix, read(prefix, False), configs[part])
    return {part: module.to(dtypes[part]).eval() for part, module in parts.items()}


def _text_encoder(part: str, prefix: str, weights: dict[str, Tensor], config: Mapping[str, Any]) -> Any:
    from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_open_clip_checkpoint
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    with _empty():
        made = CLIPTextConfig(**config)
        model: Any = CLIPTextModelWithProjection(made) if part == "text_encoder_2" else CLIPTextModel(made)
    if f"{prefix}token_embedding.weight" in weights:
        state = convert_open_clip_checkpoint(model, weights, prefix=prefix)
    else:
        state = convert_ldm_clip_checkpoint(weights)
    if not hasattr(model, "text_model"):  # newer versions of transformers have one shell less
        state = {name.removeprefix("text_model."): value for name, value in state.items()}
    _fill(part, model, state)
    return model


def _fill(part: str, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Gives an empty model its weights; those that it does not have are left out (position ids, a layer not run)."""
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    missing = sorted(expected.keys() - state.keys())
    if missing:
        raise ValueError(f"{len(missing)} weights of its {part} are missing, among them {missing[0]!r}.")
    for name, shape in expected.items():
        if tuple(state[name].shape) != shape:
            raise ValueError(f"{name!r} of its {part} is {tuple(state[name].shape)}, expected {shape}.")
    model.load_state_dict({name: state[name] for name in expected}, assign=True)


def _reader(path: Path, header: Header) -> Callable[[str, bool], dict[str, Tensor]]:
    """Reads the tensors whose names begin with a prefix, from their averages or as they are."""
    from safetensors import safe_open

    def read(prefix: str, average: bool) -> dict[str, Tensor]:
        with safe_open(path, "pt") as file:
            names = [name for name in header.shapes if name.startswith(prefix)]
            return {
                name: file.get_tensor(_average_of(name) if average else header.written.get(name, name))
                for name in names
            }

    return read


def _empty() -> Any:
    """Models made inside hold no weights: no time and no memory is spent on numbers that are never used."""
    from accelerate import init_empty_weights

    return init_empty_weights(include_buffers=False)
