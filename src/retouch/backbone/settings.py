"""How a checkpoint is to be read, said by the user, where its files do not say or say something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retouch.backbone.schedule import PREDICTIONS
from retouch.parameters import check_all, parameter, read_settings

_OTHER_NAMES = {"v": "v_prediction", "v-prediction": "v_prediction", "eps": "epsilon", "x0": "sample"}

UNGUIDED = 1.0
"""The guidance scale at which nothing is guided."""


@dataclass(frozen=True)
class ModelSettings:
    """What stands in place of a checkpoint's own word; None leaves it."""

    prediction: str | None = parameter(None, "what the network predicts; v and eps will do", choices=PREDICTIONS)
    zero_snr: bool | None = parameter(
        None, "whether the network was trained down to pure noise (zero terminal SNR), and is sampled from there",
        kind="yes or no",
    )  # fmt: skip
    native: int | None = parameter(
        None, "the side of the pictures the network was trained on", low=16, high=8192, kind="whole number",
        unit="pixels",
    )  # fmt: skip
    guidance: float | None = parameter(
        None, "w that a network with a guidance embedding is told at every evaluation; it guides itself by it",
        low=1, high=50, kind="number",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_all(self)

    def given(self) -> dict[str, Any]:
        """Those that the user gave, JSON-ready."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def applied(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A scheduler config as these settings have it."""
        told = dict(config)
        if self.prediction is not None:
            told["prediction_type"] = self.prediction
        if self.zero_snr is not None:
            told["rescale_betas_zero_snr"] = self.zero_snr
        if self.zero_snr:
            told["timestep_spacing"] = "trailing"  # sampling begins at the last timestep (Lin et al. 2024, section 3.3)
        return told


def read_model_settings(given: Mapping[str, Any]) -> ModelSettings:
    """Settings by name, as values or as text from a command line.

    Raises:
        BadParameter: for one that there is not, or a value that it cannot have.
    """
    named = {
        key: _OTHER_NAMES.get(value.lower(), value) if key == "prediction" and isinstance(value, str) else value
        for key, value in given.items()
    }
    return ModelSettings(**read_settings(ModelSettings, named, "a model"))


@dataclass(frozen=True)
class ReadAs:
    """How a checkpoint was read.

    Attributes:
        given: settings that the user gave.
        own: what the checkpoint's files say of the same.
        on_top: what was loaded on top of it, JSON-ready: numbers, or lists of things that have a ``fingerprint``.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    on_top: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that change something, and what was loaded, JSON-ready."""
        return {name: value for name, value in self.given.items() if self.own.get(name) != value} | dict(self.on_top)

    @property
    def guidance(self) -> float:
        """What a network with a guidance embedding is told; at 1 it does not guide itself."""
        return float(self.given.get("guidance", UNGUIDED))

    def __str__(self) -> str:
        """:attr:`changed` in short, without the names of files, which may be moved; "" where nothing is."""
        return " ".join(f"{name}={_short(value)}" for name, value in self.changed.items())


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    told = [{key: str(said) for key, said in one.items() if key != "name"} for one in value]
    return ",".join(":".join(one[key] for key in sorted(one)) for one in told)


def named(changed: Mapping[str, Any]) -> str:
    """What :attr:`ReadAs.changed` says, with the names of files and without their fingerprints; "" for nothing.

    >>> named({"lora": [{"name": "style.safetensors", "weight": 0.5, "fingerprint": "0123"}], "clip_skip": 1})
    'lora=style.safetensors:0.5 clip_skip=1'
    """
    return " ".join(
        f"{key}={','.join(map(_named, said)) if isinstance(said, list) else said}" for key, said in changed.items()
    )


def _named(one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    return ":".join(
        f"{said:g}" if isinstance(said, float) else str(said) for key, said in one.items() if key != "fingerprint"
    )
