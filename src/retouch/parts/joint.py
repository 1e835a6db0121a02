"""The attention forward of networks that look at the picture and at the text with one softmax (DeepFloyd IF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.layers import AttentionLayer
from retouch.parts.edits import Group
from retouch.parts.rows import Row, picked, put


class EditedJointAttention:
    """diffusers' ``AttnAddedKVProcessor2_0`` with a place to change queries, keys, values and probabilities.

    An edit of a "self" layer sees the picture's keys and the probabilities that fall on them, one of a "cross" layer
    the text's; the two share one softmax. What edits make of probabilities is used as it is: where the text's are
    replaced and the picture's are not, a row's sum may be a little off one.
    """

    def __init__(self, layers: Sequence[AttentionLayer], groups: Sequence[Group]) -> None:
        self.layers, self._parts = layers, [_Part(layers, group) for group in groups]

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Attention of ``hidden_states`` [B, dim, h, w] to ``encoder_hidden_states`` and to itself."""
        residual = hidden_states
        cells = hidden_states.flatten(2)  # (B, dim, h·w)
        text = cells.transpose(1, 2) if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            text = attn.norm_encoder_hidden_states(text)
        cells = attn.group_norm(cells).transpose(1, 2)

        def heads(x: Tensor) -> Tensor:  # (B, tokens, heads·dim) -> (B, heads, tokens, dim)
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query = heads(attn.to_q(cells))
        seen = {"cross": (heads(attn.add_k_proj(text)), heads(attn.add_v_proj(text)))}
        if not attn.only_cross_attention:
            seen["self"] = heads(attn.to_k(cells)), heads(attn.to_v(cells))
        parts = [
            part.attend(query[part.rows], {kind: (k[part.rows], v[part.rows]) for kind, (k, v) in seen.items()})
            for part in self._parts
        ]
        out = (parts[0] if len(parts) == 1 else torch.cat(parts)).transpose(1, 2).flatten(2).to(query.dtype)
        out = attn.to_out[1](attn.to_out[0](out))
        result: Tensor = out.transpose(1, 2).reshape(residual.shape) + residual
        return result


class _Part:
    """One group's rows of a batch, and its edits."""

    def __init__(self, layers: Sequence[AttentionLayer], group: Group) -> None:
        self.layers, self.now, self.rows = layers, group.now, group.rows
        self._of = {layer: group.wanting([layer]).edits for layer in layers}

    def attend(self, query: Tensor, seen: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """What the rows see of the picture and of the text: [rows, heads, cells, dim]."""
        if not any(self._of.values()):
            key, value = (torch.cat(parts, dim=2) for parts in zip(*seen.values(), strict=True))
            return functional.scaled_dot_product_attention(query, key, value)
        for layer in self.layers:
            for edit in self._of[layer]:
                query, *changed = edit.change_qkv(layer, self.now.step, query, *seen[layer.kind])
                seen[layer.kind] = changed[0], changed[1]
        return self._attend(query, seen)

    def _attend(self, query: Tensor, seen: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        key, value = (torch.cat(parts, dim=2) for parts in zip(*seen.values(), strict=True))
        rows, step, asked = list(self.now.step.rows), self.now.step, list[Row]()
        for layer in self.layers:
            for edit in self._of[layer]:
                asked += [row for row in edit.rows_with_probs(layer, step) if row in rows and row not in asked]
        allowed = self._allowed(query.shape[-2], seen)
        masks = [allowed.get(row) for row in rows]
        fast = [i for i, row in enumerate(rows) if row not in asked and masks[i] is None]
        out = torch.empty_like(query)
        if fast:
            if len(fast) == len(rows):
                return functional.scaled_dot_product_attention(query, key, value)
            q, k, v = (picked(x, fast) for x in (query, key, value))
            put(out, fast, functional.scaled_dot_product_attention(q, k, v))
        for i, mask in enumerate(masks):
            if mask is not None and rows[i] not in asked:
                out[i] = functional.scaled_dot_product_attention(query[i], key[i], value[i], attn_mask=mask)
        if asked:
            these = [rows.index(row) for row in asked]
            scores = (
                picked(query, these).float() @ picked(key, these).float().transpose(-1, -2) * query.shape[-1] ** -0.5
            )
            for i, row in enumerate(asked):
                if row in allowed:
                    scores[i] = scores[i].masked_fill(~allowed[row], torch.finfo(scores.dtype).min)
            probs = self._changed(asked, scores.softmax(-1).to(value.dtype), seen)
            put(out, these, probs @ picked(value, these))
        return out

    def _allowed(self, queries: int, seen: dict[str, tuple[Tensor, Tensor]]) -> dict[Row, Tensor]:
        """For single rows, which key [queries, keys of both] each query may look at; all of the kinds nobody masks."""
        found: dict[Row, dict[str, Tensor]] = {}
        for layer in self.layers:
            keys = seen[layer.kind][0].shape[-2]
            for edit in self._of[layer]:
                for row, mask in edit.allowed(layer, self.now.step, queries, keys).items():
                    found.setdefault(row, {})[layer.kind] = mask
        return {
            row: torch.cat([
                masks[kind].to(key.device) if kind in masks else key.new_ones(queries, key.shape[-2], dtype=torch.bool)
                for kind, (key, _) in seen.items()
            ], dim=1)
            for row, masks in found.items()
        }  # fmt: skip

    def _changed(self, asked: Sequence[Row], probs: Tensor, seen: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """The probabilities [asked, heads, queries, keys of both] as the edits have them, each kind's by itself."""
        parts = dict(zip(seen, probs.split([key.shape[-2] for key, _ in seen.values()], dim=-1), strict=True))
        for layer in self.layers:
            named = dict(zip(asked, parts[layer.kind], strict=True))
            for edit in self._of[layer]:
                named = edit.change_probs(layer, self.now.step, named)
            parts[layer.kind] = torch.stack([named[row] for row in asked])
        return torch.cat(list(parts.values()), dim=-1)
