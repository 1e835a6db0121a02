"""A network that computes with other weights for a while: copies, or low-rank adapters (Hu et al. 2022, by peft)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

_ADAPTED = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
"""The linear layers that carry adapters: attention and feed-forward, the usual choice for diffusion U-Nets."""


@contextmanager
def copied_weights(
    network: nn.Module, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[dict[str, nn.Parameter]]:
    """Float32 copies of the parameters whose names are ``wanted``, trainable, in the network's place of its own.

    The network's own parameters, the same objects, come back whatever happens.
    """
    copies = {
        name: nn.Parameter(parameter.detach().float().clone())
        for name, parameter in network.named_parameters()
        if wanted(name)
    }
    with _put(network, copies):
        yield copies


@contextmanager
def low_rank_adapters(network: nn.Module, rank: int, seed: int = 0) -> Iterator[dict[str, nn.Parameter]]:
    """Adapters on the attention and feed-forward layers, which change nothing yet; trainable, gone afterwards.

    Args:
        rank: of the update of each layer's matrix, from 1.
        seed: of the adapters' first halves; the second halves are zero.
    """
    from peft import LoraConfig, inject_adapter_in_model

    own = dict(network.named_modules())
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(_ADAPTED))
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            inject_adapter_in_model(config, network, "retouch")
        yield {name: parameter for name, parameter in network.named_parameters() if ".retouch." in name}
    finally:
        for name, module in own.items():
            parent, _, leaf = name.rpartition(".")
            if name and own[parent]._modules[leaf] is not module:
                own[parent]._modules[leaf] = module
        network.__dict__.pop("peft_config", None)


@contextmanager
def fitted_weights(network: nn.Module, weights: Mapping[str, Tensor], rank: int) -> Iterator[None]:
    """The network with weights that :func:`copied_weights` or, with a ``rank``, :func:`low_rank_adapters` left."""
    with ExitStack() as stack:
        if weights and rank:
            adapters = stack.enter_context(low_rank_adapters(network, rank))
            with torch.no_grad():
                for name, adapter in adapters.items():
                    adapter.requires_grad_(False).copy_(weights[name])
        elif weights:
            own = dict(network.named_parameters())
            ready = {name: nn.Parameter(weight.to(own[name]), requires_grad=False) for name, weight in weights.items()}
            stack.enter_context(_put(network, ready))
        yield


@contextmanager
def _put(network: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    places = []
    for name, parameter in parameters.items():
        module, _, leaf = name.rpartition(".")
        places.append((network.get_submodule(module)._parameters, leaf, parameter))
    own = [(place, leaf, place[leaf]) for place, leaf, _ in places]
    try:
        for place, leaf, parameter in places:
            place[leaf] = parameter
        yield
    finally:
        for place, leaf, original in own:
            place[leaf] = original
