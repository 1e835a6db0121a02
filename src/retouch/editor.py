"""The editor: a picture, two sentences and a method become a result; where pictures, models and methods meet."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from operator import index
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.load import load
from retouch.backbone.model import Backbone
from retouch.errors import BadParameter, BadPrompt, RetouchError
from retouch.inversion.ddim import Inversions
from retouch.methods.composition import Composed
from retouch.methods.method import Job, Method, Outcome
from retouch.methods.registry import method_type, needs_source
from retouch.parameters import parameters_of, read_settings
from retouch.picture import (
    Fitted,
    Picture,
    fit,
    fit_mask,
    from_array,
    from_image,
    read_mask,
    read_picture,
    to_array,
    write_picture,
)

DEFAULT_METHOD = "prox-npi"

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""


@dataclass(frozen=True)
class EditResult:
    """An edited picture and how it came about.

    Attributes:
        image: the edit, at the size of the input.
        recipe: everything needed to do it again, JSON-ready; :meth:`save` writes it into the file.
        seconds, evaluations: what it cost; evaluations are rows of network batches.
        notes: what was done to the input or cut off the prompts, in sentences.
        mask: where the edit was allowed, L at the size of the input, for methods that decide it.
    """

    image: Image.Image
    recipe: dict[str, Any]
    seconds: float
    evaluations: int
    notes: tuple[str, ...]
    mask: Image.Image | None = None
    _editor: Editor | None = field(default=None, repr=False, compare=False)
    _outcome: Outcome | None = field(default=None, repr=False, compare=False)
    _fitted: Fitted | None = field(default=None, repr=False, compare=False)

    @cached_property
    def reconstruction(self) -> Image.Image | None:
        """The source branch's picture: what the method makes of the input when nothing is asked. None without one."""
        if self._editor is None or self._outcome is None or self._fitted is None or self._outcome.source is None:
            return None
        return self._fitted.restore(self._editor.decode(self._outcome.source))

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Writes the picture with its recipe inside.

        Raises:
            OutputExists: when there is a file already and ``force`` is not set.
        """
        write_picture(self.image, path, recipe=self.recipe, force=force)


class Editor:
    """Edits pictures with one model.

    Example:
        >>> editor = Editor.from_pretrained("diorama")
        >>> result = editor.edit("cat.png", source="a red cat on a beach", target="a blue cat on a beach")
        >>> result.save("blue.png")
    """

    def __init__(self, model: Backbone) -> None:
        self.model = model

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str] = "diorama",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Editor:
        """The editor for a model: ``"diorama"``, a diffusers folder, a hub name, or a ``.safetensors`` file.

        Raises:
            BadModel: when there is no such model or it is of another kind.
        """
        return cls(load(name, device=device, dtype=dtype))

    def edit(
        self,
        image: str | PathLike[str] | Image.Image | Picture,
        *,
        source: str | None = None,
        target: str,
        method: str | Method = DEFAULT_METHOD,
        inversion: str | None = None,
        control: str | None = None,
        guidance: str | None = None,
        mask: str | PathLike[str] | Image.Image | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        inversions: Inversions | None = None,
        **settings: Any,
    ) -> EditResult:
        """Edits a picture.

        Args:
            image: a path or a picture; any size, kept in the result.
            source: what the picture shows; some methods do without.
            target: what it should show.
            method: a name from :func:`retouch.list_methods`, or a method object.
            inversion, control, guidance: parts in place of the method's own, by name (`retouch methods --parts`).
            mask: a picture, white where the edit may happen; the rest is kept. Of another size it is stretched.
            seed: of everything random, 0..2^63-1; the same inputs, seed and machine give the same picture.
            progress: called with (steps done, all steps).
            inversions: kept from one call to the next, they let several edits of one picture share its inversion.
            settings: the method's parameters, in place of what the model recommends (``model.recommended``) and of
                the published defaults. A method object is taken as it is.

        Raises:
            BadPicture, BadPrompt, BadParameter: each a sentence that says what to do.
        """
        began = time.monotonic()
        try:
            seed = index(seed)
        except TypeError:
            raise BadParameter(f"seed is {seed!r}, expected a whole number in 0..2^63-1.") from None
        if not 0 <= seed < 2**63:
            raise BadParameter(f"seed is {seed}, expected a whole number in 0..2^63-1.")
        for prompt in filter(None, (source, target)):
            _check_text(prompt)
        if not target or not target.strip():
            raise BadPrompt("the target prompt is empty: say what the picture should show.")
        if source is not None and not source.strip():
            source = None
        if isinstance(method, str):
            parts = {"inversion": inversion, "control": control, "guidance": guidance}
            chosen = self.method_for(method, source, target, settings, **parts)
        elif settings or inversion or control or guidance:
            raise BadParameter("settings and parts go with a method's name; this method is an object that has its own.")
        else:
            chosen = method
        if source is None and chosen.needs_source:
            raise needs_source(chosen.name)
        if isinstance(image, Picture):
            picture = image
        else:
            picture = read_picture(image) if isinstance(image, str | PathLike) else from_image(image)
        fitted = fit(picture.image, self.model.native_side, self.model.pixel_multiple)
        plane, mask_notes = (None, ()) if mask is None else fit_mask(read_mask(mask), fitted)
        notes = [*picture.notes, *fitted.notes, *mask_notes, *self._cut_off(source, target)]
        if source and source.split() == target.split():
            notes.append("the two prompts say the same: expect the picture back.")

        before, done = self.model.evaluations, 0
        total = chosen.steps()

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if progress:
                progress(done, total)

        generator = torch.Generator().manual_seed(seed)
        try:
            latents = self.model.encode(torch.from_numpy(to_array(fitted.image))[None])
            where = None if plane is None else _latent_mask(plane, latents)
            shared = inversions or Inversions()
            outcome = chosen.edit(Job(self.model, latents, target, source, generator, advance, where, shared))
            edited = fitted.restore(self.decode(outcome.target))
        except torch.OutOfMemoryError as error:
            raise RetouchError(
                f"{self.model.device} has too little free memory for {self.model.name!r}: close other programs, or "
                "use the cpu."
            ) from error
        mask = None if outcome.mask is None else _mask_picture(outcome.mask, fitted)
        recipe = self.recipe(chosen, source, target, seed)
        if plane is not None:
            recipe["mask"] = hashlib.sha256(plane.tobytes()).hexdigest()[:16]
        evaluations = self.model.evaluations - before
        return EditResult(
            edited, recipe, time.monotonic() - began, evaluations, tuple(notes), mask, self, outcome, fitted
        )

    def method_for(
        self,
        name: str,
        source: str | None,
        target: str,
        settings: Mapping[str, Any],
        *,
        inversion: str | None = None,
        control: str | None = None,
        guidance: str | None = None,
    ) -> Method:
        """The method ``name`` as :meth:`edit` would run it: with what the model recommends, and ``settings`` on top."""
        kind = method_type(name, inversion=inversion, control=control, guidance=guidance)
        recommended = self.model.recommended.for_edit(name, source, target)
        if inversion or control or guidance:  # what is recommended for parts that were exchanged goes with them
            known = {p.name for p in parameters_of(kind)}
            recommended = {key: value for key, value in recommended.items() if key in known}
        return kind(**read_settings(kind, {**recommended, **settings}, name))

    def decode(self, latents: Tensor) -> Image.Image:
        """The picture of latents [1, C, h, w]."""
        return from_array(self.model.decode(latents)[0].cpu().numpy())

    def recipe(self, method: Method, source: str | None, target: str, seed: int) -> dict[str, Any]:
        """What an edit's file says about it."""
        from importlib.metadata import version

        import retouch

        parts = {"parts": method.parts} if isinstance(method, Composed) else {}
        return {
            "retouch": retouch.__version__,
            "model": self.model.name,
            "fingerprint": self.model.fingerprint,
            "method": method.name,
            **parts,
            "parameters": asdict(method),
            "source": source,
            "target": target,
            "seed": seed,
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
        }

    def _cut_off(self, *prompts: str | None) -> list[str]:
        notes = []
        for prompt in filter(None, prompts):
            rest = self.model.truncated(prompt)
            if rest:
                notes.append(
                    f"the prompt is longer than the model reads ({self.model.max_tokens} tokens); cut off: {rest!r}."
                )
        return notes


def _check_text(prompt: object) -> None:
    """Refuses what no tokenizer takes: anything but text, and bytes that a terminal could not decode."""
    if not isinstance(prompt, str):
        raise BadPrompt(f"a prompt is {prompt!r}, expected text.")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise BadPrompt(f"the prompt {prompt!a} holds bytes that are not text: write it in UTF-8.") from None


def _latent_mask(plane: Image.Image, latents: Tensor) -> Tensor:
    """A mask (L) on the model's grid as [1, 1, h, w] in 0..1 at the latents' size, averaged over each cell."""
    small = plane.resize((latents.shape[-1], latents.shape[-2]), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)[None, None].to(latents.device)


def _mask_picture(mask: Tensor, fitted: Fitted) -> Image.Image:
    plane = Image.fromarray((mask[0, 0].float().cpu().numpy() * 255).astype("uint8"))
    return fitted.restore(plane.resize(fitted.image.size, Image.Resampling.BILINEAR).convert("RGB")).convert("L")
