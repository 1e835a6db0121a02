"""The one place that swaps attention processors and hooks blocks, and the one attention forward of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.layers import AttentionLayer
from retouch.backbone.processors import PLAIN_ATTENTION
from retouch.backbone.protocol import Backbone
from retouch.errors import RetouchError
from retouch.parts.edits import AttentionEdit, BlockEdit, Now
from retouch.parts.joint import EditedJointAttention
from retouch.parts.rows import Row


@contextmanager
def attached(model: Backbone, edits: Sequence[AttentionEdit], blocks: Sequence[BlockEdit] = ()) -> Iterator[Now]:
    """Installs one editing processor per selected layer and one hook per block, and takes all away again, always.

    In the body the network may be evaluated once :attr:`Now.step` is set, on a batch of that step's ``rows``.

    Raises:
        RetouchError: when an edit selects no layer of this network, or edits are attached already.
    """
    network: Any = model.network
    own, now = dict(network.attn_processors), Now()
    if any(isinstance(processor, EditedAttention | EditedJointAttention) for processor in own.values()):
        raise RetouchError("attention is already edited on this model: pass all edits in one list.")
    check_attachable(model, edits)
    layers: dict[str, list[AttentionLayer]] = {}
    for layer in model.attention_layers():
        layers.setdefault(f"{layer.name}.processor", []).append(layer)
    installed = dict(own)
    for key, kinds in layers.items():
        mine = [edit for edit in edits if any(edit.wants(layer) for layer in kinds)]
        if mine:
            joint = kinds[0].joint
            installed[key] = EditedJointAttention(kinds, mine, now) if joint else EditedAttention(kinds[0], mine, now)
    with ExitStack() as hooks:
        for block in blocks:
            hooks.enter_context(_hooked(network.get_submodule(block.name), block, now))
        if installed == own:
            yield now
            return
        try:
            network.set_attn_processor(dict(installed))  # diffusers empties the dict it is given
            yield now
        finally:
            network.set_attn_processor(dict(own))


def check_attachable(model: Backbone, edits: Sequence[AttentionEdit]) -> None:
    """Refuses edits that select no layer, or one that computes something else than attention, which would be left out.

    Raises:
        RetouchError: naming the edit, or the processor.
    """
    own: Any = model.network
    for edit in edits:
        chosen = [layer for layer in model.attention_layers() if edit.wants(layer)]
        if not chosen:
            raise RetouchError(
                f"the method's {type(edit).__name__.strip('_')} finds no attention layer to act on in {model.name!r}, "
                "whose layers lie elsewhere: take another method, as ddim."
            )
        kinds = {type(own.get_submodule(layer.name).processor).__name__ for layer in chosen}
        other = min(kinds - PLAIN_ATTENTION - {EditedAttention.__name__, EditedJointAttention.__name__}, default=None)
        if other is not None:
            raise RetouchError(
                f"an attention layer of {model.name!r} has a processor of its owner's, {other}, which this edit would "
                "replace: reset it with unet.set_default_attn_processor(), or use a method that leaves attention "
                "alone, as ddim."
            )


@contextmanager
def _hooked(module: torch.nn.Module, block: BlockEdit, now: Now) -> Iterator[None]:
    handle = module.register_forward_hook(lambda _module, _inputs, output: block.change(output, now.step))
    try:
        yield
    finally:
        handle.remove()


class EditedAttention:
    """diffusers' attention forward with a place to change queries, keys, values and probabilities.

    Follows ``AttnProcessor2_0``: rows whose probabilities nobody needs go through fused
    ``scaled_dot_product_attention``.
    """

    def __init__(self, layer: AttentionLayer, edits: Sequence[AttentionEdit], now: Now) -> None:
        self.layer, self.edits, self.now = layer, edits, now

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """Attention of ``hidden_states`` [B, tokens, dim] to itself or to ``encoder_hidden_states``."""
        residual = hidden_states
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)

        def heads(x: Tensor) -> Tensor:  # (B, tokens, heads·dim) -> (B, heads, tokens, dim)
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query, key, value = heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))
        for edit in self.edits:
            query, key, value = edit.change_qkv(self.layer, self.now.step, query, key, value)
        out = self._attend(attn, query, key, value)
        out = out.transpose(1, 2).flatten(2).to(query.dtype)
        out = attn.to_out[1](attn.to_out[0](out))
        if attn.residual_connection:
            out = out + residual
        result: Tensor = out / attn.rescale_output_factor
        return result

    def _attend(self, attn: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        rows = list(self.now.step.rows)
        asked: list[Row] = []
        allowed: dict[Row, Tensor] = {}
        step = self.now.step
        for edit in self.edits:
            asked += [row for row in edit.rows_with_probs(self.layer, step) if row in rows and row not in asked]
            seen = edit.allowed(self.layer, step, query.shape[-2], key.shape[-2])
            allowed |= {row: mask.to(query.device) for row, mask in seen.items()}
        if not asked and not allowed:
            return functional.scaled_dot_product_attention(query, key, value, scale=attn.scale)
        slow = [rows.index(row) for row in asked]
        masked = {rows.index(row): mask for row, mask in allowed.items() if row in rows and row not in asked}
        fast = [i for i in range(len(rows)) if i not in slow and i not in masked]
        out = torch.empty_like(query)
        if fast:
            some = _regular(fast)
            out[some] = functional.scaled_dot_product_attention(query[some], key[some], value[some], scale=attn.scale)
        for i, mask in masked.items():
            out[i] = functional.scaled_dot_product_attention(
                query[i], key[i], value[i], attn_mask=mask, scale=attn.scale
            )
        if not asked:
            return out
        # in float32: the networks of SD 2.x overflow half precision before the scale
        these = _regular(slow)
        scores = (query[these].float() * attn.scale) @ key[these].float().transpose(-1, -2)
        for i, row in enumerate(asked):
            if row in allowed:
                scores[i] = scores[i].masked_fill(~allowed[row], torch.finfo(scores.dtype).min)
        probs = dict(zip(asked, scores.softmax(-1).to(value.dtype), strict=True))
        for edit in self.edits:
            probs = edit.change_probs(self.layer, self.now.step, probs)
        out[these] = torch.stack([probs[row] for row in asked]) @ value[these]
        return out


def _regular(rows: list[int]) -> slice | list[int]:
    """Rows of a batch as a slice, which copies nothing, where they are evenly spaced."""
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    even = step > 0 and rows == list(range(rows[0], rows[-1] + 1, step))
    return slice(rows[0], rows[-1] + 1, step) if even else rows
