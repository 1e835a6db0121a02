"""A prompt as token ids, with the words that textual inversions taught: each one vector, or several in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Span = tuple[int, int]
"""Where a token lies in the prompt's text, its first character and one past its last."""


@dataclass(frozen=True)
class Encoded:
    """A prompt's tokens, start and end included, nothing cut off and nothing padded.

    Attributes:
        start: how many tokens at the start stand for no text: CLIP's one, none of T5's; the end is always one.
        spans: one per id; all vectors of one placeholder have the placeholder's.
        taught: the spans of the placeholders, in order.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    taught: tuple[Span, ...]
    start: int = 1


def encode(tokenizer: Any, prompt: str) -> Encoded:
    """The tokens of ``prompt``; a placeholder of several vectors stands for all of them.

    A textual inversion (Gal et al. 2023) of n vectors adds the tokens ``<cat>``, ``<cat>_1`` … ``<cat>_{n-1}``, and
    users write ``<cat>``. The ids are those of diffusers' ``maybe_convert_prompt``; where a prompt spells the vectors
    out they are left as they are.
    """
    # verbose=False: the tokenizer would warn on stderr of prompts beyond its limit
    encoded = tokenizer(prompt, return_offsets_mapping=True, truncation=False, verbose=False)
    given, offsets = list(encoded["input_ids"]), [(int(a), int(b)) for a, b in encoded["offset_mapping"]]
    known, ids, spans, taught = placeholders(tokenizer), list[int](), list[Span](), list[Span]()
    for i, (token, span) in enumerate(zip(given, offsets, strict=True)):
        vectors = known.get(token, (token,))
        if tuple(given[i : i + len(vectors)]) == vectors:
            vectors = (token,)  # spelt out
        ids += vectors
        spans += [span] * len(vectors)
        if token in known:
            taught.append(span)
    return Encoded(tuple(ids), tuple(spans), tuple(taught), starts(tokenizer))


def starts(tokenizer: Any) -> int:
    """How many tokens of every sequence come before the text's: 1 with a token that begins it, as CLIP's, else 0."""
    return 0 if tokenizer.bos_token_id is None else 1


def placeholders(tokenizer: Any) -> dict[int, tuple[int, ...]]:
    """The tokens that were added to a tokenizer for words, each with the ids of all its vectors, its own first."""
    added, special = tokenizer.added_tokens_encoder, set(tokenizer.all_special_ids)
    found = {}
    for text, token in added.items():
        if token in special:
            continue
        vectors = [token]
        while (further := added.get(f"{text}_{len(vectors)}")) is not None:
            vectors.append(further)
        found[token] = tuple(vectors)
    return found
