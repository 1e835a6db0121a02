"""Parts made of their configurations, and weights put into them: none missing, none left over, none of another size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor, nn

from retouch.backbone.fields import refuse_field
from retouch.errors import BadModel

_INNER = "text_model."
"""Before the names of a text encoder's weights in some versions of transformers."""
_SHARED, _TIED = "shared.weight", "encoder.embed_tokens.weight"
_SPARE = re.compile(
    r"(.*\.)?(position_ids|logit_scale)|(.*\.)?(text|visual)_projection(\.weight)?|vision_model\..*|(.*\.)?loss\..*"
)
"""What is left over without harm: numbers that are counted anew, the heads and the eyes of a whole CLIP, and what an
autoencoder was trained against."""


@dataclass(frozen=True)
class Subject:
    """What is made, as sentences call it.

    Attributes:
        name: of the model or file that it is from, as the user gave it.
        part: unet, vae, text_encoder or text_encoder_2.
        file: its configuration; "" for what has none.
        called: in place of "the PART of NAME".
        like: in place of its kind, what says how it is where no file does.
    """

    name: str
    part: str
    file: str = ""
    called: str = ""
    like: str = "its kind"

    def __str__(self) -> str:
        return self.called or f"the {self.part} of {self.name!r}"

    @property
    def described(self) -> str:
        """Who says what it is made of."""
        return f"its {self.file} describes" if self.file else f"{self.like} has"


def blank(of: Subject, config: Mapping[str, Any]) -> Any:
    """A part without weights: no time and no memory is spent on numbers that are never used.

    Raises:
        BadModel: when no such part can be made, naming the field that is in the way, where it is one alone.
    """
    try:
        return _made(of.part, config)
    except Exception as error:  # two libraries, which say in many ways that something cannot be
        for key in config:
            if of.file and _can_be_made(of.part, {other: said for other, said in config.items() if other != key}):
                refuse_field(of.name, of.file, key, config[key], "one that such a part can be made with")
        raise BadModel(
            f"{of} cannot be made as {of.described} it ({type(error).__name__}), fields contradict each other: fetch "
            "the model again."
        ) from error


def _made(part: str, config: Mapping[str, Any]) -> Any:
    from accelerate import init_empty_weights
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5EncoderModel

    with init_empty_weights(include_buffers=False):
        if part in ("unet", "vae"):
            return {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(dict(config))
        if config.get("model_type") == "t5":
            return T5EncoderModel(T5Config(**config))
        kind = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
        return kind(CLIPTextConfig(**config))


def _can_be_made(part: str, config: Mapping[str, Any]) -> bool:
    try:
        _made(part, config)
    except Exception:  # as above
        return False
    return True


def fill(of: Subject, model: nn.Module, weights: Mapping[str, Tensor], unused: Iterable[str] = ()) -> None:
    """Gives a blank part its weights.

    Args:
        weights: by diffusers' or transformers' names, those of older versions too.
        unused: beginnings of names that the part is known not to use.

    Raises:
        BadModel: when weights are missing, left over or of another size, naming the first.
    """
    expected = model.state_dict()
    state = _todays(model, dict(weights), expected)
    missing = sorted(expected.keys() - state.keys())
    if missing:
        raise BadModel(
            f"{of} lacks {_weights(missing)} that {of.described}, first {missing[0]!r}: an interrupted download, or "
            "the two do not belong together; fetch the model again."
        )
    for key in expected:
        there, wanted = tuple(state[key].shape), tuple(expected[key].shape)
        if there != wanted:
            _refuse_size(of, key, there, wanted, getattr(model, "config", {}))
    whole = next((key for key in expected if not state[key].is_floating_point()), None)
    if whole is not None:
        raise BadModel(f"{of} holds whole numbers, as in {whole!r} (quantised?): give it in float16 or float32.")
    check_left(of, [key for key in state if key not in expected], unused)
    model.load_state_dict({key: state[key] for key in expected}, assign=True)


def check_left(of: Subject, keys: Iterable[str], unused: Iterable[str] = ()) -> None:
    """Refuses weights that a part has no use for, but for what is left over without harm.

    Args:
        keys: their names.
        unused: beginnings of names that the part is known not to use.

    Raises:
        BadModel: naming the first.
    """
    left = [key for key in keys if not _SPARE.fullmatch(key) and not key.startswith(tuple(unused))]
    if left:
        raise BadModel(
            f"{of} holds {_weights(left)} more than {of.described}, first {left[0]!r}: the two do not belong together, "
            "fetch the model again."
        )


def _todays(model: nn.Module, weights: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that this version of the libraries has for them."""
    of_old: Any = getattr(model, "_fix_state_dict_keys_on_load", None)
    if of_old is not None:  # an autoencoder's attention was once of another class
        of_old(weights)
        return weights
    if _SHARED in weights:  # T5's words, which its file holds once
        return {
            key: weights.get(key, weights[_SHARED]) for key in {**expected, **weights} if key in weights or key == _TIED
        }
    inner = any(key.startswith(_INNER) for key in expected)
    bare = {key.removeprefix(_INNER): value for key, value in weights.items()}
    return {
        key if key in expected or not inner or f"{_INNER}{key}" not in expected else f"{_INNER}{key}": value
        for key, value in bare.items()
    }


def _weights(keys: Sequence[str]) -> str:
    return f"{len(keys)} weight{'s' * (len(keys) > 1)}"


def _refuse_size(of: Subject, key: str, there: tuple[int, ...], wanted: tuple[int, ...], config: Any) -> NoReturn:
    """Names the field that says the size that is wrong: the one with which, said otherwise, it would be right."""
    said = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    sizes = {want: have for want, have in zip(wanted, there, strict=False) if want != have}
    for field, value in said.items() if of.file else ():
        other = not value if isinstance(value, bool) else sizes.get(value) if isinstance(value, int) else None
        if other is not None and _size(of.part, {**said, field: other}, key) == there:
            refuse_field(of.name, of.file, field, value, f"{json.dumps(other)}, as its weights have it ({key})")
    raise BadModel(
        f"{key!r} of {of} is {there}, and {of.described} {wanted}: the two do not belong together, fetch the model "
        "again."
    )


def _size(part: str, config: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    """Of a weight of such a part; None where there is no such weight or part."""
    try:
        return tuple(_made(part, config).state_dict()[key].shape)
    except Exception:  # as above
        return None


def read_weights(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of some files: of shards, which know what they hold without an index."""
    from safetensors.torch import load_file

    return {key: value for file in files for key, value in load_file(file).items()}
