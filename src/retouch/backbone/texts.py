"""What a text encoder says of prompts: one of its layers, chunk by chunk where prompts are long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from retouch.placeholders import encode, starts
from retouch.prompts import tokenize


def spoken(
    encoder: Any, tokenizer: Any, prompts: Sequence[str], max_tokens: int, chunks: int, skip: int, device: torch.device
) -> tuple[Tensor, Any]:
    """Token embeddings, float32 [B, chunks · max_tokens, dim], and the encoder's own output, a row for every chunk.

    A long prompt is read as AUTOMATIC1111's web UI and compel read it: in chunks that are full but for the last, each
    with a start and an end of its own, side by side.

    Args:
        skip: 0 for what the encoder gives, else how many layers before its last are asked, without the last norm.
    """
    rows = [tokenize(tokenizer, prompt, max_tokens, chunks).ids for prompt in prompts]
    ids = torch.tensor(rows, device=device).view(-1, max_tokens)
    mask = None
    if getattr(encoder.config, "use_attention_mask", False):
        ends = (ids == tokenizer.eos_token_id).long()
        mask = ((ends.cumsum(1) - ends) == 0).long()  # up to the first end
    said = encoder(ids, attention_mask=mask, output_hidden_states=skip > 0)
    states: Tensor = said.hidden_states[-1 - skip] if skip else said.last_hidden_state
    return states.reshape(len(prompts), chunks * max_tokens, -1).float(), said


def chunks_of(tokenizer: Any, prompts: Sequence[str], max_tokens: int) -> int:
    """How many chunks the longest prompt fills, from 1."""
    longest = max((len(encode(tokenizer, prompt).ids) for prompt in prompts), default=0)
    around = 1 + starts(tokenizer)
    return max(1, math.ceil((longest - around) / (max_tokens - around)))
