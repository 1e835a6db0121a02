"""Muon for hidden weight matrices, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_EDGES = ("conv_in", "conv_out", "quant_conv", "embedding", "logit_scale", "heads", "stem", "shared", "attention_bias")
"""Parts of the names of matrices that are no hidden layers: what the network reads and what it says."""


@torch.no_grad()
def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices, by the quintic Newton-Schulz iteration of Muon (Jordan et al. 2024).

    Args:
        matrices: [k, m, n], each treated on its own.
        steps: iterations; five bring every singular value above 1/500 of the norm near 1.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    if matrices.size(1) > matrices.size(2):
        return orthogonalised(matrices.mT, steps).mT
    x = matrices / (torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True) + 1e-7)
    if matrices.size(2) < 2 * matrices.size(1):
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + torch.baddbmm(gram, gram, gram, beta=b, alpha=c) @ x
        return x
    # Wide, as convolutions are: every iterate is Q x with a small square Q that commutes with the Gram matrix, so
    # that the iteration can run on Q alone, for a third of the cost.
    gram = x @ x.mT
    total = torch.eye(x.size(1), device=x.device, dtype=x.dtype).expand_as(gram)
    for step in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        total = factor @ total
        if step < steps - 1:
            gram = factor @ gram @ factor
    return total @ x


class MuonAdamW:
    """One optimiser over two kinds of parameters; convolutions count as matrices [out, in*k*k].

    Args:
        named: the parameters by name; those at the network's edges and all vectors go to AdamW.
        lr_muon, lr_adamw: peak learning rates; ``step`` takes the schedule's factor.
        weight_decay: decoupled, for the matrices.
    """

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], lr_muon: float, lr_adamw: float, weight_decay: float = 0.0
    ) -> None:
        parameters = [(name, p) for name, p in named if p.requires_grad]
        edge = [p.ndim < 2 or any(e in name for e in _EDGES) for name, p in parameters]
        self.matrices: list[Tensor] = [p for (_, p), e in zip(parameters, edge, strict=True) if not e]
        self.momenta = [torch.zeros_like(p) for p in self.matrices]
        rest = [p for (_, p), e in zip(parameters, edge, strict=True) if e]
        self.adamw = torch.optim.AdamW(rest, lr_adamw, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.lr_muon, self.lr_adamw, self.weight_decay, self.momentum = lr_muon, lr_adamw, weight_decay, 0.95
        self._alike: dict[tuple[int, int], list[int]] = {}  # matrices of one shape are orthogonalised together
        for i, p in enumerate(self.matrices):
            self._alike.setdefault((p.size(0), p[0].numel()), []).append(i)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One step at ``factor`` times the peak learning rates."""
        for group in self.adamw.param_groups:
            group["lr"] = self.lr_adamw * factor
        self.adamw.step()
        gradients = [p.grad for p in self.matrices if p.grad is not None]
        torch._foreach_lerp_(self.momenta, gradients, 1 - self.momentum)
        ahead = torch._foreach_lerp(gradients, self.momenta, self.momentum)  # Nesterov
        if self.weight_decay:
            torch._foreach_mul_(self.matrices, 1 - self.lr_muon * factor * self.weight_decay)
        for (rows, columns), members in self._alike.items():
            updates = orthogonalised(torch.stack([ahead[i].reshape(rows, columns) for i in members]))
            rate = self.lr_muon * factor * max(1.0, rows / columns) ** 0.5
            for i, update in zip(members, updates, strict=True):
                self.matrices[i].add_(update.reshape(self.matrices[i].shape), alpha=-rate)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as named tensors."""
        tensors = {f"momentum.{i}": m for i, m in enumerate(self.momenta)}
        for i, p in enumerate(self.adamw.param_groups[0]["params"]):
            tensors |= {f"adamw.{i}.{k}": v for k, v in self.adamw.state[p].items()}
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes back what :meth:`state` gave."""
        for i, momentum in enumerate(self.momenta):
            momentum.copy_(tensors[f"momentum.{i}"])
        for i, p in enumerate(self.adamw.param_groups[0]["params"]):
            kept = {k: tensors[f"adamw.{i}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
            self.adamw.state[p] = {
                "step": kept["step"].to(p.device, copy=True),
                **{k: torch.empty_like(p).copy_(kept[k]) for k in ("exp_avg", "exp_avg_sq")},
            }
