"""Whether a fit belongs to a model: its texts are as the model's, its weights those of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from torch import Tensor, nn

from retouch.backbone.protocol import Backbone
from retouch.backbone.settings import named
from retouch.backbone.super_resolution import SECOND, second_of
from retouch.errors import BadFit
from retouch.fit.fitted import Fit
from retouch.fit.weights import low_rank_adapters


def check_against(fit: Fit, model: Backbone) -> None:
    """Refuses a fit whose tensors are not those that the model's texts and network take.

    Raises:
        BadFit: saying what does not match.
    """
    if fit.recipe.get("model") != model.identity:
        _refuse_model(fit, model)
    texts = {name.partition(":")[2]: value for name, value in model.condition([""]).tensors("").items()}
    for name, value in fit.embeds.items():
        wanted = texts.get(name.partition(":")[2])
        if wanted is None or value.shape != wanted.shape:
            _refuse(f"its text {name!r} is {_size(value)}, the model's are {_size(wanted)}")
    if fit.network:
        _check_network(fit, model)


def _refuse_model(fit: Fit, model: Backbone) -> NoReturn:
    """Says which checkpoint it was made for, or, of the same, what it was read with."""
    made, _, above = str(fit.recipe.get("model")).partition(" ")
    if made != model.fingerprint:
        raise BadFit(
            f"the fit was made for the checkpoint {made}, and {model.name!r} is {model.fingerprint}: make a fit with "
            "this model."
        )
    then, now = named(fit.recipe.get("read_as") or {}) or above, named(model.read_as.changed)
    if then == now:  # another file of that name
        then, now = (f"{told} ({which})" for told, which in ((then, above), (now, str(model.read_as))))
    raise BadFit(
        f"the fit was made with the checkpoint and {then or 'nothing else'}, and {model.name!r} is read with "
        f"{now or 'nothing else'}: read it so, or make a fit with this model."
    )


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
