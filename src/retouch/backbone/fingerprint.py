"""A short name for weights, so that results of different ones are never taken for each other's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor

_HASHED_WHOLE = 32 * 2**20  # weights of a part up to which every one of them is read


def fingerprint(parts: Mapping[str, Mapping[str, Tensor]]) -> str:
    """16 hexadecimal digits that name the weights of a model's parts, the same in float32 and float16.

    Small parts are hashed whole; of large ones every tensor's name, shape and an even sample of its values.
    """
    digest = hashlib.sha256()
    for part, state in parts.items():
        whole = sum(tensor.numel() for tensor in state.values()) <= _HASHED_WHOLE
        for key in sorted(state):
            values = state[key].detach().reshape(-1)
            if not whole:
                values = values[:: max(1, values.numel() // 64)]
            name = key.removeprefix("text_model.")  # a prefix that only some versions of transformers have
            digest.update(f"{part}.{name}{tuple(state[key].shape)}".encode())
            digest.update(values.half().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]
