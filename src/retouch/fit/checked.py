"""Whether a fit belongs to a model: its texts are as the model's, its weights those of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from torch import Tensor, nn

from retouch.backbone.protocol import Backbone
from retouch.backbone.super_resolution import second_of
from retouch.errors import BadFit
from retouch.fit.fitted import SECOND, Fit
from retouch.fit.weights import low_rank_adapters


def check_against(fit: Fit, model: Backbone) -> None:
    """Refuses a fit whose tensors are not those that the model's texts and network take.

    Raises:
        BadFit: saying what does not match.
    """
    if fit.recipe.get("model") != model.identity:
        raise BadFit(
            f"the fit was made for the checkpoint {fit.recipe.get('model')}, and {model.name!r} is "
            f"{model.identity}: make a fit with this model."
        )
    texts = {name.partition(":")[2]: value for name, value in model.condition([""]).tensors("").items()}
    for name, value in fit.embeds.items():
        wanted = texts.get(name.partition(":")[2])
        if wanted is None or value.shape != wanted.shape:
            _refuse(f"its text {name!r} is {_size(value)}, the model's are {_size(wanted)}")
    if fit.network:
        _check_network(fit, model)


def _check_network(fit: Fit, model: Backbone) -> None:
    _check_weights(fit.weights(), model.network, fit.rank)
    second = second_of(model)
    if fit.weights(SECOND):
        if second is None:
            _refuse("it was fitted to a second stage, and the model has none")
        _check_weights(fit.weights(SECOND), second.unet, fit.rank)


def _check_weights(weights: Mapping[str, Tensor], network: nn.Module, rank: int) -> None:
    if not weights:
        return
    if rank:
        with low_rank_adapters(network, rank) as adapters:
            wanted = {name: adapter.shape for name, adapter in adapters.items()}
        missing = wanted.keys() - weights.keys()
        if missing:
            _refuse(f"it lacks the adapter {min(missing)!r} of rank {rank}")
    else:
        wanted = {name: parameter.shape for name, parameter in network.named_parameters()}
    for name, value in weights.items():
        if name not in wanted:
            _refuse(f"the network has no weights {name!r}" + (f" at rank {rank}" if rank else ""))
        if value.shape != wanted[name]:
            _refuse(f"its weights {name!r} are {_size(value)}, the network's {tuple(wanted[name])}")


def _refuse(reason: str) -> NoReturn:
    raise BadFit(f"the fit does not belong to the model ({reason}): make it anew with `retouch fit`.")


def _size(tensor: Tensor | None) -> str:
    return "none" if tensor is None else str(tuple(tensor.shape))
