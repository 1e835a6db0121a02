"""The models that measures look with: loaded when first asked for, each once, however many measures share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from retouch.errors import BadModel

Model = TypeVar("Model")


class Models:
    """Models by what loads them.

    Args:
        clip: the CLIP model that was named: "diorama", a folder or a hub name; None for none.
        dino: the vision transformer of the structure distance; None for the published one.
        device: where the models work; default the CPU.
    """

    def __init__(self, clip: str | None = None, dino: str | None = None, *, device: torch.device | None = None) -> None:
        self._clip, self._dino, self.device = clip, dino, device
        self._made = dict[Callable[[Models], Any], Any]()
        self._reasons = dict[Callable[[Models], Any], str]()
        self._of_named = set[Callable[[Models], Any]]()  # of those with reasons, what wanted a model that was named
        self._wanted_named = False

    @property
    def clip(self) -> str | None:
        """The CLIP model that was named."""
        self._wanted_named |= self._clip is not None
        return self._clip

    @property
    def dino(self) -> str | None:
        """The vision transformer that was named."""
        self._wanted_named |= self._dino is not None
        return self._dino

    def check_named(self, loads: Iterable[Callable[[Models], Any] | None]) -> None:
        """Refuses models that were named and that could not be had; one that nobody named is merely absent.

        Args:
            loads: what measures load their models by.

        Raises:
            BadModel: with the reason.
        """
        for load in loads:
            if load in self._of_named:
                raise BadModel(self._reasons[load])

    def get(self, load: Callable[[Models], Model]) -> Model:
        """What ``load`` gives of these, the first time it is asked for.

        Raises:
            BadModel: where it cannot be had; whoever asks again is told again, without another attempt.
        """
        if load in self._reasons:
            raise BadModel(self._reasons[load])
        if load not in self._made:
            self._wanted_named = False
            try:
                self._made[load] = load(self)
            except BadModel as error:
                self._reasons[load] = str(error)
                if self._wanted_named:
                    self._of_named.add(load)
                raise
        made: Model = self._made[load]
        return made


def called(model: Any) -> str:
    """A model's name and fingerprint, the same wherever it lies; "" for one that is the measure's own.

    A model that could be another has the attributes ``name`` and ``fingerprint``; values by different ones are never
    compared.
    """
    fingerprint = getattr(model, "fingerprint", "")
    return f"{Path(model.name).name} {fingerprint}" if fingerprint else ""
