"""A fit: what was optimised for one picture and one sentence, and the file it is kept in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from retouch import notebook
from retouch.backbone.super_resolution import SECOND
from retouch.errors import BadFit
from retouch.fit.contents import Amiss, check_about, check_tensors
from retouch.fit.lora import write_lora
from retouch.fit.tensors import read_tensors, write_tensors

_FORMAT = "1"


@dataclass(frozen=True)
class Fit:
    """What a method optimised for one picture.

    Attributes:
        method: its name.
        recipe: model, fingerprint, picture, prompts, seed, parameters; JSON-ready.
        embeds: prompt embeddings [1, tokens, dim] by name.
        network: fitted weights by parameter name, or low-rank adapters; empty where the network stayed as it was.
            Those of a cascade's second stage stand beside them, see :meth:`weights`.
        rank: of the adapters; 0 where ``network`` holds whole weights.
        steps: optimiser steps taken, by stage.
        losses: mean loss over the last steps, by stage.
        stopped: "" when it ran to its end; "budget", "interrupted" or "diverged" otherwise.
        message: the sentence that says so.
        seconds: that the optimiser's steps took.
        checkpoint: the file that keeps the work until :meth:`save` has written the fit; None without one.
        notes: what was done to the input or cannot act, in sentences; the file does not keep them.
    """

    method: str
    recipe: Mapping[str, Any]
    embeds: Mapping[str, Tensor]
    network: Mapping[str, Tensor] = field(default_factory=dict)
    rank: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)
    stopped: str = ""
    message: str = ""
    seconds: float = 0.0
    checkpoint: Path | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Writes the fit as one safetensors file; the checkpoint goes then, unless the work was interrupted.

        Args:
            path: of the file, ``.safetensors`` by custom.
            force: whether a file that is there already is replaced.

        Raises:
            OutputExists: when there is a file already and ``force`` is not set.
            BadFit: when the place cannot be written to.
        """
        about = {
            "method": self.method, "recipe": self.recipe, "rank": self.rank, "steps": self.steps,
            "losses": self.losses, "stopped": self.stopped, "message": self.message,
            "seconds": self.seconds, "tensors": {"embeds": len(self.embeds), "network": len(self.network)},
        }  # fmt: skip
        # two texts may share what belongs to both, which the format does not take
        tensors = {f"embeds/{name}": value.cpu().clone() for name, value in self.embeds.items()}
        tensors |= {f"network/{name}": value.cpu() for name, value in self.network.items()}
        metadata = {"retouch_fit": _FORMAT, "about": json.dumps(about)}
        write_tensors(Path(path), tensors, metadata, replace=force)
        if self.checkpoint and self.stopped != "interrupted":
            self.checkpoint.unlink(missing_ok=True)

    def save_lora(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Writes the network's part as a LoRA that ``pipe.load_lora_weights(path)`` of diffusers loads.

        The texts are no part of it: what the fit samples under are ``embeds``, for ``prompt_embeds``.

        Args:
            path: of the file, ``.safetensors`` by custom.
            force: whether a file that is there already is replaced.

        Raises:
            OutputExists: when there is a file already and ``force`` is not set.
            BadFit: when the fit holds no low-rank adapters, or the place cannot be written to.
        """
        write_lora(Path(path), self.weights(), self.rank, self.recipe, replace=force)

    def weights(self, stage: str = "") -> dict[str, Tensor]:
        """The fitted weights of one network by parameter name.

        Args:
            stage: "" for the denoising network, "super_resolution" for a cascade's second one.
        """
        if not stage:
            return {name: value for name, value in self.network.items() if not name.startswith(f"{SECOND}/")}
        return {n.removeprefix(f"{stage}/"): v for n, v in self.network.items() if n.startswith(f"{stage}/")}

    def _repr_html_(self) -> str:
        """For a notebook: what was fitted to what, how it went, and the recipe."""
        stages = [{"stage": name, "steps": steps, "loss": self._loss(name)} for name, steps in self.steps.items()]
        size = sum(value.numel() for value in (*self.embeds.values(), *self.network.values()))
        return notebook.block(
            notebook.line(f"fit of {self.method} for “{self.recipe.get('target')}”"),
            notebook.line(f"{self.seconds:.1f} s, {size:,} numbers"), notebook.table(stages),
            notebook.notes([*filter(None, [self.message]), *self.notes]),
            notebook.folded("recipe", self.recipe),
        )  # fmt: skip

    def _loss(self, stage: str) -> str | None:
        return f"{self.losses[stage]:.4g}" if stage in self.losses else None

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Fit:
        """Reads a fit and checks all that it holds; against a model, :func:`retouch.fit.checked.check_against` does.

        Args:
            path: of a file that :meth:`save` wrote.

        Raises:
            BadFit: when there is no such file, or it is damaged or no fit.
        """
        tensors, metadata = read_tensors(Path(path))
        if metadata.get("retouch_fit") != _FORMAT:
            raise BadFit(f"{path} is not a fit that this retouch can read: make one with `retouch fit`.")
        groups: dict[str, dict[str, Tensor]] = {"embeds": {}, "network": {}}
        try:
            about = json.loads(metadata.get("about", "null"))
            check_about(about)
            for name, value in tensors.items():
                group, _, rest = name.partition("/")
                if group not in groups:
                    raise Amiss(f"{name!r} is unknown")
                groups[group][rest] = value
            check_tensors(about, groups["embeds"], groups["network"])
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, Amiss) else "what it says about itself cannot be read"
            raise BadFit(f"{path} is damaged ({reason}): make it anew with `retouch fit`.") from error
        about.pop("tensors", None)
        return cls(embeds=groups["embeds"], network=groups["network"], **about)
