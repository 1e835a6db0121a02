"""A network that computes with other weights for a while: copies, or low-rank adapters (Hu et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from retouch.backbone.adapters import is_own
from retouch.backbone.processors import is_fused
from retouch.errors import BadParameter

_ADAPTED = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj", "ff.net.0.proj", "ff.net.2")
"""The linear layers that carry adapters: attention and feed-forward, the usual choice for diffusion U-Nets."""
_NAME = "retouch"


@contextmanager
def copied_weights(
    network: nn.Module, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[dict[str, nn.Parameter]]:
    """Float32 copies of the parameters whose names are ``wanted``, trainable, in the network's place of its own.

    Adapters that the network has loaded stay as they are. Its own parameters, the same objects, come back whatever
    happens.
    """
    copies = {
        name: nn.Parameter(parameter.detach().float().clone())
        for name, parameter in network.named_parameters()
        if wanted(name) and is_own(name)
    }
    with _put(network, copies):
        yield copies


class LowRank(nn.Module):
    """W x + B A x: any linear layer, one that carries adapters of its owner's included, with a low-rank update."""

    def __init__(self, base_layer: nn.Module, rank: int) -> None:
        super().__init__()
        wide, given = int(base_layer.in_features), int(base_layer.out_features)  # type: ignore[arg-type]
        self.base_layer = base_layer
        # named, initialised and drawn in the order of peft, as fits of before are
        down, up = nn.Linear(wide, rank, bias=False), nn.Linear(rank, given, bias=False)
        self.lora_A, self.lora_B = nn.ModuleDict({_NAME: down}), nn.ModuleDict({_NAME: up})
        nn.init.kaiming_uniform_(down.weight, a=5**0.5)
        nn.init.zeros_(up.weight)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The layer's output [..., out] for [..., in]; the update is computed in its own precision."""
        result: Tensor = self.base_layer(x, *args, **kwargs)
        down, up = self.lora_A[_NAME], self.lora_B[_NAME]
        precision = next(down.parameters()).dtype
        return result + up(down(x.to(precision))).to(result.dtype)


@contextmanager
def low_rank_adapters(network: nn.Module, rank: int, seed: int = 0) -> Iterator[dict[str, nn.Parameter]]:
    """Adapters on the attention and feed-forward layers, which change nothing yet; trainable, gone afterwards.

    They are float32 in a network of any precision, and stand on top of adapters that it has loaded.

    Args:
        rank: of the update of each layer's matrix, from 1.
        seed: of the adapters' first halves; the second halves are zero.
    """
    own = dict(network.named_modules())
    chosen = [name for name in own if name.endswith(tuple(f".{target}" for target in _ADAPTED))]
    places = [(own[name.rpartition(".")[0]]._modules, name.rpartition(".")[2], own[name]) for name in chosen]
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for place, leaf, layer in places:
                adapted = LowRank(layer, rank).train(layer.training)
                device = next(layer.parameters()).device
                if device.type != "cpu":  # where they were drawn
                    adapted.lora_A.to(device), adapted.lora_B.to(device)
                place[leaf] = adapted
        yield {name: parameter for name, parameter in network.named_parameters() if f".{_NAME}." in name}
    finally:
        for place, leaf, layer in places:
            place[leaf] = layer


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


def check_trainable(network: nn.Module) -> None:
    """Refuses a network whose weights are not where they could be fitted.

    Raises:
        BadParameter: saying what to do.
    """
    if is_fused(network):
        raise BadParameter(
            "the network's attention computes with fused copies of its weights, which a fit would not reach: undo it "
            "with pipe.unfuse_qkv_projections(), and fuse again afterwards."
        )
    if any(parameter.is_meta or parameter.dtype.itemsize < 2 for parameter in network.parameters()):
        raise BadParameter(
            "the network's weights are offloaded module by module or stored in 8 bits, and cannot be fitted: use "
            "enable_model_cpu_offload and half precision, or a method that fits no weights."
        )
