"""The editor: a picture, two sentences and a method become a result; where pictures, models and methods meet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.load import load
from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import clean_state, turn
from retouch.errors import BadParameter
from retouch.fit.fitted import Fit
from retouch.masks.find import by_clicks, by_words
from retouch.methods.method import Method
from retouch.methods.optimising import Optimising
from retouch.methods.registry import check_fits
from retouch.parts.inversions import Inversions
from retouch.parts.job import Outcome
from retouch.picture import Fitted, from_array, to_array, write_picture
from retouch.picture import fit as fit_to_grid
from retouch.task import (
    AnyMask,
    AnyPicture,
    Detail,
    Progress,
    Request,
    Task,
    checked_seed,
    method_for,
    opened,
    prepare,
    recipe_of,
    room_on,
)  # fmt: skip


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
    """

    image: Image.Image
    recipe: dict[str, Any]
    seconds: float
    evaluations: int
    notes: tuple[str, ...]
    mask: Image.Image | None = None
    checkpoint: Path | None = field(default=None, compare=False)
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
        """Writes the picture with its recipe inside; the checkpoint goes then.

        Raises:
            OutputExists: when there is a file already and ``force`` is not set.
        """
        write_picture(self.image, path, recipe=self.recipe, force=force)
        if self.checkpoint:
            self.checkpoint.unlink(missing_ok=True)


class Editor:
    """Edits pictures with one model, one at a time: edits from other threads wait for their turn.

    Whatever state torch is in around a call (``no_grad``, ``inference_mode``, ``autocast``), the picture is the same.

    Example:
        >>> editor = Editor.from_pretrained("diorama")
        >>> result = editor.edit("cat.png", source="a red cat on a beach", target="a blue cat on a beach")
        >>> result.save("blue.png")
    """

    def __init__(self, model: Backbone) -> None:
        if not callable(getattr(model, "predict", None)):
            raise BadParameter(
                f"an Editor is made of a loaded model, not of a {type(model).__name__}: write "
                "Editor.from_pretrained(name)."
            )
        self.model = model

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str] = "diorama",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
    ) -> Editor:
        """The editor for a model: ``"diorama"``, a diffusers folder, a hub name, or a ``.safetensors`` file.

        Raises:
            BadModel: when there is no such model or it is of another kind.
        """
        with clean_state(torch.device("cpu")):  # weights loaded in inference mode could never be trained around
            return cls(load(name, device=device, dtype=dtype))

    def edit(
        self,
        image: AnyPicture,
        *,
        source: str | None = None,
        target: str | None = None,
        method: str | Method | None = None,
        inversion: str | None = None,
        control: str | None = None,
        guidance: str | None = None,
        sampler: str | None = None,
        mask: AnyMask | None = None,
        reference: AnyMask | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        detail: Detail | None = None,
        inversions: Inversions | None = None,
        fit: Fit | None = None,
        budget: float | None = None,
        checkpoint: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> EditResult:
        """Edits a picture.

        Args:
            image: a path or a picture; any size, kept in the result.
            source: what the picture shows; some methods do without.
            target: what it should show; with a ``fit`` it may be left out.
            method: a name from :func:`retouch.list_methods`, or a method object; prox-npi, or the fit's.
            inversion, control, guidance, sampler: parts in place of the method's own, by name (`retouch methods
                --parts`).
            mask: a picture, white where the edit may happen; the rest is kept. Of another size it is stretched.
            reference: a picture whose background the edit should have, for methods that use one.
            seed: of everything random, 0..2^63-1; the same inputs, seed and machine give the same picture.
            progress: called with (steps done, all steps).
            detail: called with a few words on what a method that optimises is at: stage, loss.
            inversions: kept from one call to the next, they let several edits of one picture share its inversion.
            fit: what :meth:`fit` left for this picture; only sampling is left to do.
            budget: seconds that a method which optimises may spend on it.
            checkpoint: a file that such a method keeps its state in, at least every 30 s; after a kill the same call
                goes on from there. Saving the result removes it.
            settings: the method's parameters, in place of what the model recommends (``model.recommended``) and of
                the published defaults. A method object is taken as it is.

        Raises:
            BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
            KeyboardInterrupt: when the user interrupted a fit, after its checkpoint was written.
        """
        parts = {"inversion": inversion, "control": control, "guidance": guidance, "sampler": sampler}
        request = Request(
            image=image, source=source, target=target, method=method, parts=parts, mask=mask, reference=reference,
            seed=seed, progress=progress, detail=detail, inversions=inversions, fit=fit, budget=budget,
            checkpoint=checkpoint, settings=settings,
        )  # fmt: skip
        with turn(self.model), room_on(self.model):
            task = prepare(self.model, request)
            outcome = task.method.edit(task.job)
            edited = task.fitted.restore(self.decode(outcome.target))
            recipe, cost = recipe_of(task), self.model.evaluations - task.evaluated
        allowed = None if outcome.mask is None else _mask_picture(outcome.mask, task.fitted)
        notes = (*task.notes, *outcome.notes)
        if task.job.work.message:
            notes = (*notes, task.job.work.message)
        return EditResult(
            edited, recipe, time.monotonic() - task.began, cost, notes, allowed, task.job.work.checkpoint, self,
            outcome, task.fitted,
        )  # fmt: skip

    def fit(
        self,
        image: AnyPicture,
        *,
        target: str,
        method: str | Optimising = "imagic",
        source: str | None = None,
        mask: AnyMask | None = None,
        reference: AnyMask | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        detail: Detail | None = None,
        budget: float | None = None,
        checkpoint: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> Fit:
        """Only the optimisation of a method that optimises: any number of edits can then be sampled from the fit.

        The arguments are those of :meth:`edit`. Ctrl-C ends the optimisation after the step in hand; what was fitted
        until then is returned (``fit.stopped`` says so), and likewise the last good state when the loss diverges.

        Raises:
            BadParameter: for a method that fits nothing, and as in :meth:`edit`.
        """
        request = Request(
            image=image, source=source, target=target, method=method, mask=mask, reference=reference, seed=seed,
            progress=progress, detail=detail, budget=budget, checkpoint=checkpoint, settings=settings,
        )  # fmt: skip
        with turn(self.model), room_on(self.model):
            task = prepare(self.model, request)
            check_fits(type(task.method))
            assert isinstance(task.method, Optimising)
            return task.method.fit(task.job)

    def variations(
        self,
        image: AnyPicture,
        fit: Fit,
        *,
        seeds: Sequence[int] = (0, 1, 2, 3),
        etas: Sequence[float] | None = None,
        mask: AnyMask | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[EditResult]:
        """Samples every ``eta`` with every seed from one fit, in batches: eta by eta, in each the seeds in order.

        Args:
            image: the picture that the fit was made for.
            etas: values of the parameter ``eta``, for methods that have it; None for its default alone.
            settings: parameters of sampling.

        Raises:
            BadFit: when the fit is for another model or picture.
            BadParameter: for ``etas`` where the method has none, or values outside their range.
        """
        request = Request(image=image, mask=mask, progress=progress, fit=fit, settings=settings)
        with turn(self.model), room_on(self.model):
            return self._variations(prepare(self.model, request), seeds, etas)

    def _variations(self, task: Task, seeds: Sequence[int], etas: Sequence[float] | None) -> list[EditResult]:
        method, job = task.method, task.job
        assert isinstance(method, Optimising) and job.fit is not None
        if etas is not None and "eta" not in method.sampling:
            raise BadParameter(f"{method.name} has no eta to vary: leave etas out.")
        if not seeds or (etas is not None and not etas):
            raise BadParameter("there is nothing to sample: give at least one seed, and one eta if any.")
        methods = [method] if etas is None else [replace(method, eta=eta) for eta in etas]  # type: ignore[call-arg]
        chosen = [(kind, checked_seed(seed)) for kind in methods for seed in seeds]
        noises = [kind.noise(job, torch.Generator().manual_seed(seed)) for kind, seed in chosen]
        latents = method.sample(job, job.fit, noises, [kind.conditions(job.fit) for kind, _ in chosen])
        images = [task.fitted.restore(self.decode(one[None])) for one in latents]
        seconds, cost = (time.monotonic() - task.began) / len(chosen), method.evaluations() - method.fit_evaluations()
        return [
            EditResult(
                image, recipe_of(replace(task, method=kind, job=replace(job, seed=seed))), seconds, cost, task.notes
            )
            for (kind, seed), image in zip(chosen, images, strict=True)
        ]

    def mask(
        self,
        image: AnyPicture,
        *,
        word: str | None = None,
        prompt: str | None = None,
        points: Sequence[tuple[float, ...]] = (),
        outside: Sequence[tuple[float, ...]] = (),
        box: tuple[float, ...] | None = None,
        segmenter: str = "auto",
    ) -> Image.Image:
        """Where a thing is in a picture: L of its size, 255 inside, for the argument ``mask`` of edits.

        Args:
            word: names the thing, in words of ``prompt`` (None: the words alone); it is looked for by the network's
                cross-attention, which a segmenter sharpens where there is one.
            points, outside: (x, y) in pixels, inside the thing and outside it.
            box: (left, top, right, bottom) in pixels, around it.
            segmenter: a Segment Anything model (folder or hub name), "none", or "auto": the embedded one for the
                embedded model.

        Raises:
            BadParameter: when nothing says what to mark, or a point lies outside the picture.
            BadModel: when clicks are given and there is no segmenter.
        """
        picture = opened(image)
        if word is None:
            return by_clicks(self.model, picture.image, points, outside, box, segmenter)
        fitted = fit_to_grid(picture.image, self.model.native_side, self.model.pixel_multiple)
        with turn(self.model), room_on(self.model):
            latents = self.model.encode(torch.from_numpy(to_array(fitted.image))[None])
            return by_words(self.model, latents, fitted, word, prompt, segmenter)

    def method_for(
        self, name: str, source: str | None, target: str, settings: Mapping[str, Any], **parts: str | None
    ) -> Method:
        """The method ``name`` as :meth:`edit` would run it: with what the model recommends, and ``settings`` on top."""
        return method_for(self.model, name, source, target, settings, **parts)

    def decode(self, latents: Tensor) -> Image.Image:
        """The picture of latents [1, C, h, w]."""
        with turn(self.model), torch.no_grad():
            return from_array(self.model.decode(latents)[0].cpu().numpy())


def _mask_picture(mask: Tensor, fitted: Fitted) -> Image.Image:
    plane = Image.fromarray((mask[0, 0].float().cpu().numpy() * 255).astype("uint8"))
    return fitted.restore(plane.resize(fitted.image.size, Image.Resampling.BILINEAR).convert("RGB")).convert("L")
