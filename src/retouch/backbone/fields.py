"""Fields of configurations that the libraries take unasked and stumble over at the first evaluation: their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retouch.errors import BadModel


@dataclass(frozen=True)
class Field:
    """What a field may say.

    Attributes:
        whole: whether a whole number; else any number.
        each: whether a list of such numbers will do too.
        empty: whether null will do.
    """

    low: float
    high: float = 1e6
    whole: bool = True
    each: bool = False
    empty: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        if value is None:
            return self.empty
        if self.each and isinstance(value, list) and value:
            return all(Field(self.low, self.high, self.whole).allows(one) for one in value)
        right = isinstance(value, int) or (isinstance(value, float) and not self.whole)
        return right and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number in {self.low:g}..{self.high:g}"


_LAYERS = 1000
"""More than any network has: it would be built before it is compared with its weights."""
_WIDEST = 65536
_SWITCHES = {"scheduler": ("rescale_betas_zero_snr", "set_alpha_to_one")}
_TEXT_ENCODER = {
    "hidden_size": Field(1, _WIDEST), "vocab_size": Field(1), "num_attention_heads": Field(1, _LAYERS),
    "num_hidden_layers": Field(1, _LAYERS), "intermediate_size": Field(1, 4 * _WIDEST),
    "max_position_embeddings": Field(3), "eos_token_id": Field(0), "layer_norm_eps": Field(0, 1, whole=False),
    "projection_dim": Field(1),
}  # fmt: skip
_TOKENIZER = {"model_max_length": Field(3, 1e31, whole=False)}
_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "scheduler": {"num_train_timesteps": Field(1), "steps_offset": Field(0, _LAYERS)},
    "unet": {
        "in_channels": Field(1), "out_channels": Field(1), "sample_size": Field(1, 8192),
        "cross_attention_dim": Field(1, _WIDEST), "transformer_layers_per_block": Field(1, _LAYERS, each=True),
        "block_out_channels": Field(1, _WIDEST, each=True), "layers_per_block": Field(1, _LAYERS, each=True),
        "attention_head_dim": Field(1, each=True), "num_attention_heads": Field(1, each=True, empty=True),
        "downsample_padding": Field(0), "freq_shift": Field(0, whole=False),
        "mid_block_scale_factor": Field(1e-3, whole=False), "norm_num_groups": Field(1, empty=True),
        "norm_eps": Field(0, 1, whole=False), "addition_time_embed_dim": Field(2, empty=True),
        "projection_class_embeddings_input_dim": Field(1, empty=True), "time_cond_proj_dim": Field(4, empty=True),
    },
    "vae": {
        "latent_channels": Field(1, _WIDEST), "block_out_channels": Field(1, _WIDEST, each=True),
        "layers_per_block": Field(1, _LAYERS),
        "norm_num_groups": Field(1), "scaling_factor": Field(1e-6, whole=False),
        "shift_factor": Field(-1e6, whole=False, empty=True),
    },
    "text_encoder": _TEXT_ENCODER, "text_encoder_2": _TEXT_ENCODER, "tokenizer": _TOKENIZER, "tokenizer_2": _TOKENIZER,
}  # fmt: skip


def check_fields(name: str, part: str, file: str, config: Mapping[str, Any]) -> None:
    """Refuses a config that says something of another type or out of range; what it does not say is the library's.

    Args:
        part: scheduler, unet, vae, text_encoder, tokenizer, or the second of these two.
        file: the config's, for the error.

    Raises:
        BadModel: naming the field, what it says and what was expected.
    """
    numbers = [
        (key, str(field)) for key, field in _FIELDS[part].items() if not field.allows(config.get(key, field.low))
    ]
    switches = [
        (key, "true or false") for key in _SWITCHES.get(part, ()) if not isinstance(config.get(key), bool | None)
    ]
    for key, expected in numbers + switches:
        raise BadModel(
            f"{file} of {name!r} says {key} {config[key]!r}, expected {expected}: mend the file, or fetch the model "
            "again."
        )
