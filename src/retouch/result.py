"""What an edit gives back: the picture, how it came about, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from retouch import notebook
from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import turn
from retouch.parts.job import Outcome
from retouch.picture import Fitted, from_array, write_picture


@dataclass(frozen=True)
class EditResult:
    """An edited picture and how it came about.

    Attributes:
        image: the edit, at the size of the input.
        recipe: everything needed to do it again, JSON-ready; :meth:`save` writes it into the file.
        seconds, evaluations: what it cost; evaluations are rows of network batches.
        notes: what was done to the input or cut off the prompts, in sentences.
        mask: where the edit was allowed, L at the size of the input, for methods that decide it.
        checkpoint: the file that keeps the work until :meth:`save` has written the picture; None without one.
        untouched: the share of pixels that are the input's own, 0..1.
        changed: how much of the edit each pixel takes, L at the size of the input: 0 where it is the input's own. None
            where nothing was kept on purpose.
        finishing_seconds: what of the seconds came after the method's own work: decoding, and putting what the edit
            changed into the input. None where that was not told apart.
        before: the input, RGB; a pickled result leaves it out, and then it is None.

    As the last value of a notebook's cell it shows itself: before and after under one slider, notes, and the recipe.
    """

    image: Image.Image
    recipe: dict[str, Any]
    seconds: float
    evaluations: int
    notes: tuple[str, ...]
    mask: Image.Image | None = None
    checkpoint: Path | None = field(default=None, compare=False)
    untouched: float | None = None
    changed: Image.Image | None = None
    finishing_seconds: float | None = None
    before: Image.Image | None = field(default=None, repr=False, compare=False)
    _model: Backbone | None = field(default=None, repr=False, compare=False)
    _outcome: Outcome | None = field(default=None, repr=False, compare=False)
    _fitted: Fitted | None = field(default=None, repr=False, compare=False)
    _decoded: dict[str, Image.Image] = field(default_factory=dict, repr=False, compare=False)

    @property
    def reconstruction(self) -> Image.Image | None:
        """The source branch's picture: what the method makes of the input when nothing is asked. None without one."""
        return None if self._outcome is None else self._restored("reconstruction", self._outcome.source)

    @property
    def drawn(self) -> Image.Image | None:
        """The edit as the model drew it, at the size of the part that was edited, with nothing kept on purpose.

        None for variations of a fit.
        """
        return None if self._outcome is None else self._restored("drawn", self._outcome.target)

    def _restored(self, name: str, latents: Tensor | None) -> Image.Image | None:
        """The picture of latents at the input's size, decoded once.

        No ``cached_property``: Python 3.11 holds one lock for all objects while it computes one, and edits side by side
        wait for each other in there.
        """
        if self._model is None or self._outcome is None or self._fitted is None or latents is None:
            return None
        if name not in self._decoded:
            self._decoded[name] = self._fitted.restore(decoded(self._model, latents, self._outcome.decode))
        return self._decoded[name]

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Writes the picture with its recipe inside; the checkpoint goes then.

        Args:
            path: of a PNG, JPEG or WebP file; the ending says which.
            force: whether a file that is there already is replaced.

        Raises:
            OutputExists: when there is a file already and ``force`` is not set.
            BadParameter: when the ending is of no such format, or there is no such folder.
            BadPicture: when the disk does not take it; nothing is left behind.
        """
        write_picture(self.image, path, recipe=self.recipe, force=force)
        if self.checkpoint:
            self.checkpoint.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        # whoever sends results from process to process has sent the input before
        return {name: value for name, value in self.__dict__.items() if name != "before"}

    def _repr_html_(self) -> str:
        """For a notebook."""
        kept = "" if self.untouched is None else f", {self.untouched:.1%} of the pixels untouched"
        cost = f"{self.recipe.get('method')}: {self.seconds:.1f} s, {self.evaluations} evaluations{kept}"
        return notebook.block(
            notebook.slider(self.before, self.image) if self.before else notebook.picture(self.image, "the edit"),
            notebook.line(" → ".join(filter(None, [self.recipe.get("source"), self.recipe.get("target")]))),
            notebook.line(cost), notebook.notes(self.notes), notebook.folded("recipe", self.recipe),
        )  # fmt: skip

    def _repr_png_(self) -> bytes:
        """For a notebook that shows no HTML."""
        return notebook.png(self.image)


def share_untouched(before: Image.Image, after: Image.Image) -> float:
    """The share of pixels that are the same in two pictures of one size, 0..1."""
    return float((np.asarray(before) == np.asarray(after)).all(2).mean())


Decode = Callable[[Tensor], Tensor]


def decoded(model: Backbone, latents: Tensor, decode: Decode | None = None) -> Image.Image:
    """The picture of latents [1, C, h, w], on the model's grid; ``decode`` in place of the model's own way."""
    with turn(model, within=True), torch.no_grad():
        return from_array((decode or model.decode)(latents)[0].cpu().numpy())


def glimpse(model: Backbone, latents: Tensor) -> Image.Image:
    """What latents [1, C, h, w] look like, on the model's grid; of a cascade those of its base model, enlarged."""
    if not model.draws_by_text:
        return decoded(model, latents)
    small = from_array(latents[0].float().clamp(-1, 1).cpu().numpy())
    factor = model.vae_factor
    return small.resize((factor * small.width, factor * small.height), Image.Resampling.BICUBIC)


def decoded_values(model: Backbone, latents: Tensor, decode: Decode | None = None) -> NDArray[np.float32]:
    """The picture of latents [1, C, h, w] as [H, W, 3] in 0..255, clipped and not rounded; as :func:`decoded`."""
    with turn(model, within=True), torch.no_grad():
        values = (decode or model.decode)(latents)[0].float().cpu().numpy().transpose(1, 2, 0)
    if not np.isfinite(values).all():
        from_array(values.transpose(2, 0, 1))  # says so
    return np.asarray(np.clip((values + 1) * 127.5, 0, 255), np.float32)


def mask_picture(mask: Tensor | None, fitted: Fitted) -> Image.Image | None:
    """Where an edit was allowed, [1, 1, h, w] in 0..1, as L at the size of the input."""
    if mask is None:
        return None
    plane = Image.fromarray((mask[0, 0].float().cpu().numpy() * 255).astype("uint8"))
    return fitted.restore(plane.resize(fitted.image.size, Image.Resampling.BILINEAR).convert("RGB")).convert("L")
