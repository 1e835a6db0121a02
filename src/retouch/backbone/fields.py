"""What fields of configurations may say: the libraries take them unasked, and stumble over them much later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from retouch.errors import BadModel

_WIDEST = 65536
_LAYERS = 1000
"""More than any network has: it would be built before it is compared with its weights."""


class Field(Protocol):
    """What one field may say; as text, what is expected."""

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        ...


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``.

    Attributes:
        between: whether ``low`` and ``high`` themselves are too much.
        empty: whether null will do.
    """

    low: float
    high: float = 1e6
    whole: bool = True
    between: bool = False
    empty: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        if value is None:
            return self.empty
        right = isinstance(value, int) or (isinstance(value, float) and not self.whole)
        if not right or isinstance(value, bool) or (self.between and value in (self.low, self.high)):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        reach = f"between {self.low:g} and {self.high:g}" if self.between else f"in {self.low:g}..{self.high:g}"
        return f"a {'whole ' * self.whole}number {reach}"


@dataclass(frozen=True)
class Word:
    """One of some words; null where ``empty``."""

    choices: Sequence[str]
    empty: bool = False

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        return self.empty if value is None else isinstance(value, str) and value in self.choices

    def __str__(self) -> str:
        return " or ".join([*self.choices, *["null"] * self.empty])


@dataclass(frozen=True)
class Switch:
    """True or false; null is false."""

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        return isinstance(value, bool | None)

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Listed:
    """A list of fields of one kind; one of them alone will do where ``alone``."""

    of: Field
    alone: bool = True

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        if isinstance(value, list | tuple):
            return bool(value) and all(self.of.allows(one) for one in value)
        return self.alone and self.of.allows(value)

    def __str__(self) -> str:
        if isinstance(self.of, Listed):
            return f"{self.of.of}, or lists of them"
        return f"{self.of}, or a list of them" if self.alone else f"a list, each {self.of}"


@dataclass(frozen=True)
class Token:
    """A special token: its text, or an object with it."""

    def allows(self, value: Any) -> bool:
        """Whether a config may say ``value``."""
        return isinstance(value, str | dict | None)

    def __str__(self) -> str:
        return "a token"


_ACTIVATIONS = ("silu", "swish", "mish", "gelu", "relu")
_ACTIVATION, _ACTIVATION_OR_NONE = Word(_ACTIVATIONS), Word(_ACTIVATIONS, empty=True)
_COUNT, _LAYER = Number(1), Number(1, _LAYERS)
_WIDTHS = Listed(Number(1, _WIDEST), alone=False)
_SHARE = Number(0, 1, whole=False)
_SIDE = Number(1, 8192)
_ID = Number(0, empty=True)
_TEXT_ENCODER: Mapping[str, Field] = {
    "hidden_size": Number(1, _WIDEST), "vocab_size": _COUNT, "num_attention_heads": _LAYER,
    "num_hidden_layers": _LAYER, "intermediate_size": Number(1, 4 * _WIDEST),
    "max_position_embeddings": Number(3), "eos_token_id": Number(0), "bos_token_id": _ID, "pad_token_id": _ID,
    "layer_norm_eps": _SHARE, "projection_dim": _COUNT, "attention_dropout": _SHARE,
    "hidden_act": Word(("quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")),
}  # fmt: skip
_TOKENIZER: Mapping[str, Field] = {
    "model_max_length": Number(3, 1e31, whole=False),
    **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), Token()),
}
_UNET: Mapping[str, Field] = {
    "in_channels": _COUNT, "out_channels": _COUNT, "sample_size": Listed(Number(1, 8192, empty=True)),
    "cross_attention_dim": Number(1, _WIDEST), "transformer_layers_per_block": Listed(Listed(Number(0, _LAYERS))),
    "block_out_channels": _WIDTHS, "layers_per_block": Listed(_LAYER), "attention_head_dim": Listed(_COUNT),
    "num_attention_heads": Word((), empty=True), "downsample_padding": Number(0), "freq_shift": Number(0, whole=False),
    "mid_block_scale_factor": Number(1e-3, whole=False), "norm_num_groups": _COUNT, "norm_eps": _SHARE,
    "addition_time_embed_dim": Number(2, empty=True), "projection_class_embeddings_input_dim": Number(1, empty=True),
    "time_cond_proj_dim": Number(4, empty=True), "time_embedding_dim": Number(1, _WIDEST, empty=True),
    "conv_in_kernel": Number(1, 99), "conv_out_kernel": Number(1, 99), "dropout": _SHARE,
    "resnet_out_scale_factor": Number(1e-3, whole=False),
    "down_block_types": Listed(Word(("CrossAttnDownBlock2D", "DownBlock2D")), alone=False),
    "up_block_types": Listed(Word(("CrossAttnUpBlock2D", "UpBlock2D")), alone=False),
    "mid_block_type": Word(("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"), empty=True),
    "act_fn": _ACTIVATION, "time_embedding_act_fn": _ACTIVATION_OR_NONE, "timestep_post_act": _ACTIVATION_OR_NONE,
    "time_embedding_type": Word(("positional", "fourier")), "resnet_time_scale_shift": Word(("default", "scale_shift")),
    "cross_attention_norm": Word(("layer_norm", "group_norm"), empty=True), "only_cross_attention": Listed(Switch()),
    **dict.fromkeys(
        ("mid_block_only_cross_attention", "use_linear_projection", "dual_cross_attention", "upcast_attention",
         "flip_sin_to_cos", "center_input_sample", "resnet_skip_time_act", "class_embeddings_concat"), Switch()
    ),
}  # fmt: skip
_PIXEL_UNET: Mapping[str, Field] = {
    **_UNET, "encoder_hid_dim": Number(1, _WIDEST), "addition_embed_type_num_heads": _COUNT,
    "down_block_types": Listed(Word(("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D")), alone=False),
    "up_block_types": Listed(Word(("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D")), alone=False),
    "mid_block_type": Word(("UNetMidBlock2DSimpleCrossAttn",)),
}  # fmt: skip
_T5: Mapping[str, Field] = {
    "d_model": Number(1, _WIDEST), "d_kv": Number(1, _WIDEST), "d_ff": Number(1, 4 * _WIDEST), "num_layers": _LAYER,
    "num_heads": _LAYER, "vocab_size": _COUNT, "eos_token_id": Number(0), "pad_token_id": _ID,
    "layer_norm_epsilon": _SHARE, "dropout_rate": _SHARE,
}  # fmt: skip
_VAE: Mapping[str, Field] = {
    "latent_channels": Number(1, _WIDEST), "block_out_channels": _WIDTHS, "layers_per_block": _LAYER,
    "norm_num_groups": _COUNT, "scaling_factor": Number(1e-6, whole=False), "act_fn": _ACTIVATION,
    "shift_factor": Number(-1e6, whole=False, empty=True), "sample_size": Listed(_SIDE),
    "down_block_types": Listed(Word(("DownEncoderBlock2D", "AttnDownEncoderBlock2D")), alone=False),
    "up_block_types": Listed(Word(("UpDecoderBlock2D", "AttnUpDecoderBlock2D")), alone=False),
    **dict.fromkeys(
        ("force_upcast", "use_quant_conv", "use_post_quant_conv", "mid_block_add_attention"), Switch()
    ),
}  # fmt: skip
_BETA = Number(0, 1, whole=False, between=True)
_SCHEDULER: Mapping[str, Field] = {
    "num_train_timesteps": _COUNT, "steps_offset": Number(0, _LAYERS), "beta_start": _BETA, "beta_end": _BETA,
    "beta_schedule": Word(("linear", "scaled_linear", "squaredcos_cap_v2")),
    "timestep_spacing": Word(("leading", "trailing", "linspace")), "rescale_betas_zero_snr": Switch(),
    "set_alpha_to_one": Switch(),
}  # fmt: skip
_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "scheduler": _SCHEDULER, "unet": _UNET, "pixel unet": _PIXEL_UNET, "t5": _T5, "vae": _VAE,
    "text_encoder": _TEXT_ENCODER, "text_encoder_2": _TEXT_ENCODER, "tokenizer": _TOKENIZER, "tokenizer_2": _TOKENIZER,
}  # fmt: skip
_LISTS = {
    "pixel unet": ("down_block_types", "up_block_types"),
    "unet": ("down_block_types", "up_block_types", "layers_per_block", "attention_head_dim", "only_cross_attention",
             "transformer_layers_per_block"),
    "vae": ("down_block_types", "up_block_types"),
}  # fmt: skip
"""Fields that have a value for every level, where they have several."""


def check_fields(name: str, part: str, file: str, config: Mapping[str, Any]) -> None:
    """Refuses a config that says something of another type, out of range, or that contradicts another field.

    Args:
        part: scheduler, unet, vae, text_encoder, tokenizer, or the second of these two; "pixel unet" and "t5" in a
            pixel cascade.
        file: the config's, for the error.
        config: what it does not say is the library's.

    Raises:
        BadModel: naming the field, what it says and what was expected.
    """
    for key, field in _FIELDS[part].items():
        if key in config and not field.allows(config[key]):
            refuse_field(name, file, key, config[key], str(field))
    for key, expected in _contradictions(part, config):
        refuse_field(name, file, key, config[key], expected)


def refuse_field(name: str, file: str, key: str, said: Any, expected: str) -> NoReturn:
    """The sentence for a field that says something else than was expected.

    Raises:
        BadModel: always.
    """
    raise BadModel(
        f"{file} of {name!r} says {key} {_short(said)}, expected {expected}: mend it, or fetch the model again."
    )


def _contradictions(part: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that do not go with another one, and what that one wants; fields that are not said contradict nothing."""
    widths = config.get("block_out_channels")
    for key in _LISTS.get(part, ()) if widths else ():
        said = config.get(key)
        if isinstance(said, list | tuple) and len(said) != len(widths or ()):
            yield key, f"one for each of the {len(widths or ())} block_out_channels"
    groups = config.get("norm_num_groups")
    if widths and groups and any(width % groups for width in widths):
        yield "norm_num_groups", f"a divisor of block_out_channels {_short(widths)}"
    heads = config.get("attention_head_dim")
    if part == "unet" and widths and heads:
        each = heads if isinstance(heads, list | tuple) else [heads] * len(widths)
        attends = [kind != "DownBlock2D" for kind in config.get("down_block_types", widths)]
        attends[-1] = attends[-1] or config.get("mid_block_type", "UNetMidBlock2DCrossAttn") is not None
        if any(width % count for width, count, does in zip(widths, each, attends, strict=True) if does):
            yield "attention_head_dim", f"divisors of block_out_channels {_short(widths)}"
    width, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if width and heads and width % heads:
        yield "num_attention_heads", f"a divisor of hidden_size {width}"
    known, end = config.get("vocab_size"), config.get("eos_token_id")
    if known and end and end >= known:
        yield "eos_token_id", f"a token of the vocabulary, below vocab_size {known}"
    low, high = config.get("beta_start"), config.get("beta_end")
    if low and high and low > high:
        yield "beta_start", f"at most beta_end {high}"
    side = config.get("sample_size")
    if isinstance(side, list | tuple) and (len(side) != 2 or None in side):
        yield "sample_size", "a side or two, height and width"


def _short(said: Any) -> str:
    """A value as a sentence has it."""
    text = repr(list(said) if isinstance(said, tuple) else said)
    return text if len(text) <= 60 else f"{text[:57]}..."
