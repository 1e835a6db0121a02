"""The editor: a picture, two sentences and a method become a result; where pictures, models and methods meet."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retouch.backbone.load import load
from retouch.backbone.model import Backbone
from retouch.errors import BadFit, BadParameter, BadPrompt, RetouchError
from retouch.fit.fitted import Fit
from retouch.fit.work import Work
from retouch.inversion.ddim import Inversions
from retouch.masks.find import by_clicks, by_words
from retouch.methods.composition import Composed
from retouch.methods.method import Job, Method, Outcome
from retouch.methods.optimising import Optimising
from retouch.methods.registry import method_type, methods, needs_source
from retouch.methods.sampling import Draft
from retouch.parameters import parameters_of, read_settings
from retouch.picture import (
    Fitted,
    Picture,
    fit_mask,
    from_array,
    from_image,
    read_mask,
    read_picture,
    to_array,
    write_picture,
)
from retouch.picture import fit as fit_to_grid

DEFAULT_METHOD = "prox-npi"

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""

Detail = Callable[[str], None]
"""Called with a few words on what is going on."""


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


@dataclass(frozen=True)
class _Task:
    """A job for a method, and what is needed to make a result of its outcome."""

    job: Job
    method: Method
    fitted: Fitted
    notes: tuple[str, ...]
    began: float
    evaluated: int


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
        target: str | None = None,
        method: str | Method | None = None,
        inversion: str | None = None,
        control: str | None = None,
        guidance: str | None = None,
        mask: str | PathLike[str] | Image.Image | None = None,
        reference: str | PathLike[str] | Image.Image | None = None,
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
            inversion, control, guidance: parts in place of the method's own, by name (`retouch methods --parts`).
            mask: a picture, white where the edit may happen; the rest is kept. Of another size it is stretched.
            reference: a picture whose background the edit should have, for methods that use one.
            seed: of everything random, 0..2^63-1; the same inputs, seed and machine give the same picture.
            progress: called with (steps done, all steps).
            detail: called with a few words on what a method that optimises is at: stage, loss.
            inversions: kept from one call to the next, they let several edits of one picture share its inversion.
            fit: what :meth:`fit` left for this picture; only sampling is left to do.
            budget: seconds that a method which optimises may spend on it.
            checkpoint: a file that such a method keeps its state in, at least every 30 s; after a kill the same call
                goes on from there. It is removed at the end.
            settings: the method's parameters, in place of what the model recommends (``model.recommended``) and of
                the published defaults. A method object is taken as it is.

        Raises:
            BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
            KeyboardInterrupt: when the user interrupted a fit, after its checkpoint was written.
        """
        parts = {"inversion": inversion, "control": control, "guidance": guidance}
        task = self._task(
            image, source=source, target=target, method=method, parts=parts, mask=mask, reference=reference, seed=seed,
            progress=progress, detail=detail, inversions=inversions, fit=fit, budget=budget, checkpoint=checkpoint,
            settings=settings,
        )  # fmt: skip
        with self._room():
            outcome = task.method.edit(task.job)
            edited = task.fitted.restore(self.decode(outcome.target))
        task.job.work.finish()
        allowed = None if outcome.mask is None else _mask_picture(outcome.mask, task.fitted)
        recipe, notes, cost = self._recipe(task), task.notes, self.model.evaluations - task.evaluated
        if task.job.work.message:
            notes = (*notes, task.job.work.message)
        return EditResult(
            edited, recipe, time.monotonic() - task.began, cost, notes, allowed, self, outcome, task.fitted
        )

    def fit(
        self,
        image: str | PathLike[str] | Image.Image | Picture,
        *,
        target: str,
        method: str | Optimising = "imagic",
        source: str | None = None,
        mask: str | PathLike[str] | Image.Image | None = None,
        reference: str | PathLike[str] | Image.Image | None = None,
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
        task = self._task(
            image, source=source, target=target, method=method, mask=mask, reference=reference, seed=seed,
            progress=progress, detail=detail, budget=budget, checkpoint=checkpoint, settings=settings,
        )  # fmt: skip
        if not isinstance(task.method, Optimising):
            raise BadParameter(f"{task.method.name} fits nothing: choose one of {', '.join(_that_fit())}.")
        with self._room():
            fit = task.method.fit(task.job)
        if fit.stopped in ("", "budget"):
            task.job.work.finish()
        return fit

    def variations(
        self,
        image: str | PathLike[str] | Image.Image | Picture,
        fit: Fit,
        *,
        seeds: Sequence[int] = (0, 1, 2, 3),
        etas: Sequence[float] | None = None,
        mask: str | PathLike[str] | Image.Image | None = None,
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
        task = self._task(image, mask=mask, seed=0, progress=progress, fit=fit, settings=settings)
        method, job = task.method, task.job
        assert isinstance(method, Optimising) and job.fit is not None
        if etas is not None and "eta" not in method.sampling:
            raise BadParameter(f"{method.name} has no eta to vary: leave etas out.")
        if not seeds or (etas is not None and not etas):
            raise BadParameter("there is nothing to sample: give at least one seed, and one eta if any.")
        methods = [method] if etas is None else [replace(method, eta=eta) for eta in etas]  # type: ignore[call-arg]
        chosen = [(kind, _checked_seed(seed)) for kind in methods for seed in seeds]
        drafts = [
            Draft(kind.noise(job, torch.Generator().manual_seed(seed)), kind.conditions(job.fit))
            for kind, seed in chosen
        ]
        with self._room():
            latents = method.sample(job, job.fit, drafts)
            images = [task.fitted.restore(self.decode(one[None])) for one in latents]
        seconds, cost = (time.monotonic() - task.began) / len(chosen), method.evaluations() - method.fit_evaluations()
        return [
            EditResult(
                image, self._recipe(replace(task, method=kind, job=replace(job, seed=seed))), seconds, cost, task.notes
            )
            for (kind, seed), image in zip(chosen, images, strict=True)
        ]

    def mask(
        self,
        image: str | PathLike[str] | Image.Image | Picture,
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
        picture = (
            image
            if isinstance(image, Picture)
            else (read_picture(image) if isinstance(image, str | PathLike) else from_image(image))
        )
        if word is None:
            return by_clicks(self.model, picture.image, points, outside, box, segmenter)
        fitted = fit_to_grid(picture.image, self.model.native_side, self.model.pixel_multiple)
        with self._room():
            latents = self.model.encode(torch.from_numpy(to_array(fitted.image))[None])
            return by_words(self.model, latents, fitted, word, prompt, segmenter)

    def _task(
        self,
        image: str | PathLike[str] | Image.Image | Picture,
        *,
        source: str | None = None,
        target: str | None = None,
        method: str | Method | None = None,
        parts: Mapping[str, str | None] | None = None,
        mask: str | PathLike[str] | Image.Image | None = None,
        reference: str | PathLike[str] | Image.Image | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        detail: Detail | None = None,
        inversions: Inversions | None = None,
        fit: Fit | None = None,
        budget: float | None = None,
        checkpoint: str | PathLike[str] | None = None,
        settings: Mapping[str, Any],
    ) -> _Task:
        """Everything checked and made ready for a method; the arguments are those of :meth:`edit`."""
        began, seed, parts = time.monotonic(), _checked_seed(seed), parts or {}
        if fit is not None:
            source, target = self._of_fit(fit, source, target, method)
            method = method or fit.method
        for prompt in (source, target):
            if prompt is not None:
                _check_text(prompt)
        if not target or not target.strip():
            raise BadPrompt("the target prompt is empty: say what the picture should show.")
        if source is not None and not source.strip():
            source = None
        if isinstance(method, Method):
            if settings or any(parts.values()):
                raise BadParameter(
                    "settings and parts go with a method's name; this method is an object that has its own."
                )
            chosen = method
        else:
            if fit is not None:
                settings = {**_settings_of(fit, settings), **settings}
            chosen = self.method_for(method or DEFAULT_METHOD, source, target, settings, **parts)
        if source is None and chosen.needs_source:
            raise needs_source(chosen.name)
        if isinstance(image, Picture):
            picture = image
        else:
            picture = read_picture(image) if isinstance(image, str | PathLike) else from_image(image)
        fitted = fit_to_grid(picture.image, self.model.native_side, self.model.pixel_multiple)
        plane, mask_notes = (None, ()) if mask is None else fit_mask(read_mask(mask), fitted)
        notes = [*picture.notes, *fitted.notes, *mask_notes, *self._cut_off(source, target)]
        if source and source.split() == target.split():
            notes.append("the two prompts say the same: expect the picture back.")
        identity = {
            "model": self.model.fingerprint, "picture": _digest(fitted.image), "method": chosen.name, "source": source,
            "target": target, "seed": seed, "mask": None if plane is None else _digest(plane),
            "parameters": chosen.parameters_of_fit() if isinstance(chosen, Optimising) else asdict(chosen),
        }  # fmt: skip
        if fit is not None and fit.recipe.get("picture") != identity["picture"]:
            raise BadFit("the fit was made for another picture: give the picture that it was made for.")
        behind = None
        if reference is not None:
            behind = _cover(
                read_picture(reference) if isinstance(reference, str | PathLike) else from_image(reference),
                fitted.image.size,
            )
            identity["reference"] = _digest(behind)
        if budget is not None and not budget > 0:
            raise BadParameter(f"budget is {budget:g}, expected seconds above 0.")

        before, done = self.model.evaluations, 0
        total = chosen.steps() - (chosen.fit_steps() if fit is not None and isinstance(chosen, Optimising) else 0)

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if progress:
                progress(done, total)

        work = Work(budget, None if checkpoint is None else Path(checkpoint), identity, detail or (lambda words: None))
        with self._room():
            latents = self.model.encode(torch.from_numpy(to_array(fitted.image))[None])
            background = None if behind is None else self.model.encode(torch.from_numpy(to_array(behind))[None])
        job = Job(
            self.model, latents, target, source, torch.Generator().manual_seed(seed), advance,
            None if plane is None else _latent_mask(plane, latents), inversions or Inversions(), seed,
            None if fit is None else _on(fit, self.model.device), work, identity, background,
        )  # fmt: skip
        return _Task(job, chosen, fitted, tuple(notes), began, before)

    def _of_fit(
        self, fit: Fit, source: str | None, target: str | None, method: str | Method | None
    ) -> tuple[str | None, str | None]:
        """The prompts that a fit was made for; refuses a fit for something else."""
        made = fit.recipe
        name = method.name if isinstance(method, Method) else method
        if made.get("model") != self.model.fingerprint:
            raise BadFit(
                f"the fit was made for the checkpoint {made.get('model')}, and {self.model.name!r} is "
                f"{self.model.fingerprint}: make a fit with this model."
            )
        if name is not None and name != fit.method:
            raise BadFit(f"the fit was made by {fit.method}, and the method is {name}: leave the method out.")
        if target and target != made.get("target"):
            raise BadFit(f"the fit was made for the target {made.get('target')!r}: leave the target out, or fit anew.")
        return source or made.get("source"), made.get("target")

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise RetouchError(
                f"{self.model.device} has too little free memory for {self.model.name!r}: close other programs, or "
                "use the cpu."
            ) from error

    def _recipe(self, task: _Task) -> dict[str, Any]:
        job = task.job
        recipe = self.recipe(task.method, job.source, job.target, job.seed)
        recipe |= {key: job.recipe[key] for key in ("mask", "reference") if job.recipe.get(key)}
        steps = job.fit.steps if job.fit else job.work.steps
        if steps:
            recipe["fit"] = {"steps": dict(steps), "losses": dict(job.fit.losses if job.fit else job.work.losses)}
            if job.fit:
                recipe["fit"]["seed"] = job.fit.recipe["seed"]
        return recipe

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


def _checked_seed(seed: int) -> int:
    try:
        number = index(seed)
    except TypeError:
        raise BadParameter(f"seed is {seed!r}, expected a whole number in 0..2^63-1.") from None
    if not 0 <= number < 2**63:
        raise BadParameter(f"seed is {number}, expected a whole number in 0..2^63-1.")
    return number


def _digest(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def _cover(picture: Picture, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture, scaled to fill ``size``."""
    from PIL import ImageOps

    return ImageOps.fit(picture.image, size, Image.Resampling.LANCZOS)


def _on(fit: Fit, device: torch.device) -> Fit:
    return replace(fit, embeds={name: value.to(device) for name, value in fit.embeds.items()})


def _that_fit() -> list[str]:
    return [name for name, kind in methods().items() if issubclass(kind, Optimising)]


def _settings_of(fit: Fit, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a fit was made with.

    Raises:
        BadParameter: when one of them is to be another.
    """
    made = dict(fit.recipe.get("parameters", {}))
    for name in settings:
        if name in made:
            raise BadParameter(f"{name} was fixed when the fit was made ({made[name]!r}): leave it out, or fit anew.")
    return made
