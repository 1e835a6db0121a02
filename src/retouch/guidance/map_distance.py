"""The distance of two self-attention maps with its gradient, without ever holding a whole map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CELLS = 2**22  # entries of a map that are held at a time: 16 MiB in float32


def map_distance(query: Tensor, key: Tensor, fixed_query: Tensor, fixed_key: Tensor, scale: float) -> Tensor:
    """mean((A − A*)²) with A = softmax(scale · Q Kᵀ), A* likewise of the fixed queries and keys.

    The maps are computed in float32 in strips of queries, and the gradient with them: what is kept for the backward
    pass has the size of Q and K, not of the maps (at 64×64 latents and 8 heads 10 MB instead of 1 GB).

    Args:
        query, key: [heads, tokens, dim]; gradients flow to these.
        fixed_query, fixed_key: the same shapes, without gradient.

    Returns:
        a float32 scalar in 0..2/tokens.
    """
    distance: Tensor = _MapDistance.apply(query, key, fixed_query, fixed_key, scale)
    return distance


class _MapDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, fixed_query: Tensor, fixed_key: Tensor, scale: float) -> Tensor:
        heads, tokens, _ = query.shape
        size = heads * tokens * key.shape[1]
        strip = max(1, _CELLS // (heads * key.shape[1]))
        k, fixed_k = key.float(), fixed_key.float()
        wants_gradient = any(ctx.needs_input_grad)
        d_query = torch.empty_like(query, dtype=torch.float32) if wants_gradient else None
        d_key = torch.zeros_like(k) if wants_gradient else None
        total = torch.zeros((), device=query.device)
        for start in range(0, tokens, strip):
            q = query[:, start : start + strip].float() * scale  # (heads, strip, dim)
            fixed_q = fixed_query[:, start : start + strip].float() * scale
            probs = (q @ k.mT).softmax(-1)  # (heads, strip, tokens)
            difference = probs - (fixed_q @ fixed_k.mT).softmax(-1)
            total += torch.linalg.vector_norm(difference).square()
            if d_query is not None and d_key is not None:
                # through the softmax: dS = A ⊙ (G − Σ G ⊙ A), with G = 2 (A − A*) / size
                inner = torch.linalg.vecdot(difference, probs).unsqueeze(-1)
                gradient = difference.sub_(inner).mul_(probs)  # times 2 / size, below
                d_query[:, start : start + strip] = gradient @ k * (2 * scale / size)
                d_key += gradient.mT @ q
        if d_query is not None and d_key is not None:
            ctx.save_for_backward(d_query, d_key * (2 / size))
            ctx.dtype = query.dtype
        return total / size

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        d_query, d_key = ctx.saved_tensors
        return (grad * d_query).to(ctx.dtype), (grad * d_key).to(ctx.dtype), None, None, None
