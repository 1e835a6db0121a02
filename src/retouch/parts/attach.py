"""The one place that swaps attention processors and hooks blocks, and the one attention forward of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from retouch.backbone.compiled import as_it_is
from retouch.backbone.layers import AttentionLayer
from retouch.backbone.processors import PLAIN_ATTENTION
from retouch.backbone.protocol import Backbone
from retouch.errors import RetouchError
from retouch.parts.edits import AttentionEdit, BlockEdit, Group, Now
from retouch.parts.joint import EditedJointAttention
from retouch.parts.rows import Row, picked, put
from retouch.parts.seat import ALREADY, Seat


@contextmanager
def attached(model: Backbone, edits: Sequence[AttentionEdit], blocks: Sequence[BlockEdit] = ()) -> Iterator[Now]:
    """Installs one editing processor per selected layer and one hook per block, and takes all away again, always.

    In the body the network may be evaluated once :attr:`Now.step` is set, on a batch of that step's ``rows``.

    Raises:
        RetouchError: when an edit selects no layer of this network, or edits are attached already.
    """
    group = Group(edits, blocks, Now())
    check_attachable(model, edits)
    with model.holding(group) if isinstance(model, Seat) else installed(model, [group]):
        yield group.now


@contextmanager
def installed(model: Backbone, groups: Sequence[Group]) -> Iterator[None]:
    """The changes of several groups of rows that are evaluated in one batch, each on its own rows.

    Raises:
        RetouchError: when edits are attached already.
    """
    network: Any = model.network
    own = dict(network.attn_processors)
    if any(isinstance(processor, EditedAttention | EditedJointAttention) for processor in own.values()):
        raise RetouchError(ALREADY)
    layers: dict[str, list[AttentionLayer]] = {}
    for layer in model.attention_layers():
        layers.setdefault(f"{layer.name}.processor", []).append(layer)
    changed = dict(own)
    for key, kinds in layers.items():
        mine = [group.wanting(kinds) for group in groups]
        if any(group.edits for group in mine):
            changed[key] = EditedJointAttention(kinds, mine) if kinds[0].joint else EditedAttention(kinds[0], mine)
    with ExitStack() as hooks:
        for name in dict.fromkeys(block.name for group in groups for block in group.blocks):
            hooks.enter_context(as_it_is(network, name))
            hooks.enter_context(_hooked(network.get_submodule(name), name, groups))
        if changed == own:
            yield
            return
        try:
            network.set_attn_processor(dict(changed))  # diffusers empties the dict it is given
            yield
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
def _hooked(module: torch.nn.Module, name: str, groups: Sequence[Group]) -> Iterator[None]:
    """What a block gives changed by the groups' edits of it, each on its own rows, in order."""

    def changed(group: Group, output: Tensor) -> Tensor:
        for block in group.blocks:
            output = block.change(output, group.now.step) if block.name == name else output
        return output

    def change(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        if len(groups) == 1:
            return changed(groups[0], output)
        return torch.cat([changed(group, output[group.rows]) for group in groups])

    handle = module.register_forward_hook(change)
    try:
        yield
    finally:
        handle.remove()


class EditedAttention:
    """diffusers' attention forward with a place to change queries, keys, values and probabilities.

    Follows ``AttnProcessor2_0``: rows whose probabilities nobody needs go through fused
    ``scaled_dot_product_attention``.
    """

    def __init__(self, layer: AttentionLayer, groups: Sequence[Group]) -> None:
        self.layer, self.groups = layer, groups

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
        whole = query, key, value
        given = [(query[group.rows], key[group.rows], value[group.rows]) for group in self.groups]
        parts = [self._changed(group, *part) for group, part in zip(self.groups, given, strict=True)]
        if len({(k.shape[1:], v.dtype) for _, k, v in parts}) == 1:
            same = all(new is old for pair in zip(parts, given, strict=True) for new, old in zip(*pair, strict=True))
            if not same:
                queries, keys, values = zip(*parts, strict=True)
                whole = _joined(queries), _joined(keys), _joined(values)
            out = self._attend(attn, self.groups, *whole)
        else:  # an edit that lets its rows look at more keys than others do
            out = torch.cat([
                self._attend(attn, [group], *part) for group, part in zip(self.groups, parts, strict=True)
            ])  # fmt: skip
        out = out.transpose(1, 2).flatten(2).to(query.dtype)
        out = attn.to_out[1](attn.to_out[0](out))
        if attn.residual_connection:
            out = out + residual
        result: Tensor = out / attn.rescale_output_factor
        return result

    def _changed(self, group: Group, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for edit in group.edits:
            query, key, value = edit.change_qkv(self.layer, group.now.step, query, key, value)
        return query, key, value

    def _attend(self, attn: Any, groups: Sequence[Group], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of the groups' rows [rows, heads, tokens, dim], which follow each other."""
        asked, allowed, first = list[list[Row]](), dict[int, Tensor](), groups[0].rows.start or 0
        slow = list[int]()
        for group in groups:
            mine, masks = self._wanted(group), self._seen(group, query, key)
            if mine or masks:
                rows, at = list(group.now.step.rows), (group.rows.start or 0) - first
                allowed |= {at + rows.index(row): mask for row, mask in masks.items() if row in rows}
                slow += [at + rows.index(row) for row in mine]
            asked.append(mine)
        if not slow and not allowed:
            return functional.scaled_dot_product_attention(query, key, value, scale=attn.scale)
        fast = [i for i in range(len(query)) if i not in slow and i not in allowed]
        out = torch.empty_like(query)
        if fast:
            q, k, v = (picked(x, fast) for x in (query, key, value))
            put(out, fast, functional.scaled_dot_product_attention(q, k, v, scale=attn.scale))
        for i, mask in allowed.items():
            if i not in slow:
                out[i] = functional.scaled_dot_product_attention(
                    query[i], key[i], value[i], attn_mask=mask, scale=attn.scale
                )
        if slow:
            # in float32: the networks of SD 2.x overflow half precision before the scale
            scores = (picked(query, slow).float() * attn.scale) @ picked(key, slow).float().transpose(-1, -2)
            for place, i in enumerate(slow):
                if i in allowed:
                    scores[place] = scores[place].masked_fill(~allowed[i], torch.finfo(scores.dtype).min)
            probs = self._edited(groups, asked, scores.softmax(-1).to(value.dtype))
            put(out, slow, probs @ picked(value, slow))
        return out

    def _wanted(self, group: Group) -> list[Row]:
        """The group's rows whose probabilities its edits ask for."""
        asked = list[Row]()
        for edit in group.edits:
            rows = edit.rows_with_probs(self.layer, group.now.step)
            asked += [row for row in rows if row in group.now.step.rows and row not in asked]
        return asked

    def _seen(self, group: Group, query: Tensor, key: Tensor) -> dict[Row, Tensor]:
        """For single rows of the group, which keys they may look at."""
        allowed: dict[Row, Tensor] = {}
        for edit in group.edits:
            seen = edit.allowed(self.layer, group.now.step, query.shape[-2], key.shape[-2])
            allowed |= {row: mask.to(query.device) for row, mask in seen.items()}
        return allowed

    def _edited(self, groups: Sequence[Group], asked: Sequence[Sequence[Row]], probs: Tensor) -> Tensor:
        """The probabilities [asked, heads, Q, K] as the groups' edits have them."""
        changed = list[Tensor]()
        for group, rows, part in zip(groups, asked, probs.split([len(rows) for rows in asked]), strict=True):
            named = dict(zip(rows, part, strict=True))
            for edit in group.edits:
                named = edit.change_probs(self.layer, group.now.step, named)
            changed += [named[row] for row in rows]
        return torch.stack(changed)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
