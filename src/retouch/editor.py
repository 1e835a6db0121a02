"""The editor: a picture, two sentences and a method become a result; where pictures, models and methods meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Never, Unpack

import torch
from PIL import Image
from torch import Tensor

from retouch.arguments import check_arguments, check_choice, check_latents, sequence
from retouch.auto.choose import candidates, edit
from retouch.backbone.live import backbone_of, check_no_others
from retouch.backbone.load import LoadSettings, load, load_settings
from retouch.backbone.protocol import Backbone
from retouch.backbone.turn import clean_state, turn
from retouch.errors import BadFit, BadParameter, RetouchError
from retouch.fit.fitted import Fit
from retouch.many import BATCH, edit_many
from retouch.methods.method import Method
from retouch.methods.optimising import Optimising
from retouch.methods.registry import check_fits, method_for, method_type
from retouch.parts.inversions import Inversions
from retouch.perform import variations
from retouch.prepare import prepare
from retouch.request import CONTEXT, AnyMask, AnyPicture, Detail, Preview, Progress, Request, checked_seed
from retouch.result import EditResult, decoded
from retouch.thing import thing

__all__ = ["EditResult", "Editor"]


class Editor:
    """Edits pictures with one model, one at a time: edits from other threads wait for their turn.

    Args:
        model: a loaded model, or a live diffusers pipeline, which is computed with as it is at every call and left as
            it was found (docs/models.md).
        clip_skip, long_prompts: how a pipeline's texts are read, as for :meth:`from_pretrained`.
        super_resolution: beside an ``IFPipeline``, the pipeline of the cascade's second stage.

    Whatever state torch is in around a call (``no_grad``, ``autocast``, a default dtype …), the picture is the same.

    Example:
        >>> editor = Editor.from_pretrained("diorama")
        >>> result = editor.edit("cat.png", source="a red cat on a beach", target="a blue cat on a beach")
        >>> result.save("blue.png")
    """

    def __init__(
        self, model: Backbone | Any, *, clip_skip: int = 0, long_prompts: bool = False, super_resolution: Any = None,
        **others: Never,
    ) -> None:  # fmt: skip
        check_no_others("an Editor of a loaded model", others)
        self.model: Backbone = backbone_of(
            model, clip_skip=clip_skip, long_prompts=long_prompts, super_resolution=super_resolution
        )

    @classmethod
    def from_pretrained(cls, name: str | PathLike[str] = "diorama", **how: Unpack[LoadSettings]) -> Editor:
        """The editor for a model: ``"diorama"``, a diffusers folder, a hub name, or a ``.safetensors`` file.

        Args:
            name: the model's.
            how: device and dtype; how the model is read where its files do not say, or say something else; and what is
                put on top of it, as ``lora="style.safetensors:0.8"``: :class:`retouch.backbone.load.LoadSettings`.

        Raises:
            BadModel: when there is no such model or it is of another kind, or what is put on top does not fit it.
            BadParameter: when there is no such device or precision, or the model cannot be read so.
        """
        with clean_state(torch.device("cpu")):  # weights loaded in inference mode could never be trained around
            return cls(load(name, **load_settings(how)))

    def edit(
        self,
        image: AnyPicture,
        *,
        source: str | None = None,
        target: str | None = None,
        negative_prompt: str | None = None,
        method: str | Method | None = None,
        inversion: str | None = None,
        control: str | None = None,
        guidance: str | None = None,
        sampler: str | None = None,
        mask: AnyMask | None = None,
        foreground: AnyMask | None = None,
        region: tuple[float, ...] | str | None = None,
        context: float = CONTEXT,
        keep: str = "auto",
        strength: float | None = None,
        size: int | None = None,
        upscaler: str | PathLike[str] | None = None,
        reference: AnyMask | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        detail: Detail | None = None,
        preview: Preview | None = None,
        inversions: Inversions | None = None,
        fit: Fit | None = None,
        budget: float | None = None,
        checkpoint: str | PathLike[str] | None = None,
        clip: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> EditResult:
        """Edits a picture; what each argument means is said at :class:`retouch.request.Request`.

        Args:
            image, source, target, negative_prompt: the picture, what it shows, what it should show, and what not.
            method, inversion, control, guidance, sampler, clip, settings: how; the settings are the method's
                parameters, in place of what the model recommends (``model.recommended``) and of the published
                defaults. By default methods are tried until CLIP (``clip`` names it) verifies the edit (docs/auto.md).
            mask, foreground, region, context, keep, strength: where it may happen, what stays, and how far it goes.
            size: the working size in pixels, in place of the model's own.
            upscaler: a model by which what is drawn anew in a large picture is enlarged.
            seed: of everything random; the same inputs, seed and machine give the same picture.
            progress, detail, preview: are told how far it is, and shown it.
            reference, inversions, fit, budget, checkpoint: for some methods.

        Raises:
            BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
            KeyboardInterrupt: when the user interrupted a fit, after its checkpoint was written.
        """
        parts = {"inversion": inversion, "control": control, "guidance": guidance, "sampler": sampler}
        request = Request(
            image=image, source=source, target=target, negative_prompt=negative_prompt, method=method, parts=parts,
            mask=mask, foreground=foreground, region=region, context=context, keep=keep, strength=strength,
            size=size, upscaler=upscaler, reference=reference, seed=seed, progress=progress, detail=detail,
            preview=preview, inversions=inversions, fit=fit, budget=budget, checkpoint=checkpoint, settings=settings,
            clip=clip,
        )  # fmt: skip
        with turn(self.model):
            return edit(self.model, request)

    def edit_many(
        self, edits: Sequence[Mapping[str, Any]], *, batch: int = BATCH, failed: str = "raise",
        progress: Progress | None = None, **common: Any,
    ) -> list[EditResult | RetouchError]:  # fmt: skip
        """Many edits, ``batch`` of them side by side: what they ask of the network at a time is one call of it.

        The results are those of :meth:`edit` within rounding, in order; each is said to have taken its share of the
        time. Methods that train weights go one at a time.

        Args:
            edits: of each, the arguments of :meth:`edit`: ``{"image": "a.png", "source": ..., "target": ...}``.
            batch: how many, at least 1.
            failed: "raise" ends with the first edit that cannot be made; "return" puts its error in its place.
            progress: called with (edits done, all edits).
            common: arguments that all edits have which do not say otherwise.

        Raises:
            RetouchError: with "raise", what is wrong with an edit, by its number.
        """
        with turn(self.model):
            asked = [{**common, **one} if isinstance(one, Mapping) else one for one in edits]
            return edit_many(self.model, asked, batch, failed, progress)

    def candidates(
        self, image: AnyPicture, count: int = 4, *,
        source: str, target: str, negative_prompt: str | None = None,
        mask: AnyMask | None = None, region: tuple[float, ...] | str | None = None, context: float = CONTEXT,
        keep: str = "auto", strength: float | None = None, size: int | None = None, seed: int = 0,
        progress: Progress | None = None, detail: Detail | None = None, clip: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> list[EditResult]:  # fmt: skip
        """The best of the edits that the method "auto" tries, the best first.

        The other arguments, and the errors, are those of :meth:`edit`.

        Args:
            count: how many at most, 1..16.
        """
        request = Request(
            image=image, source=source, target=target, negative_prompt=negative_prompt, mask=mask, region=region,
            context=context, keep=keep, strength=strength, size=size, seed=seed, progress=progress, detail=detail,
            settings=settings, clip=clip,
        )  # fmt: skip
        with turn(self.model):
            return candidates(self.model, request, count)

    def fit(
        self, image: AnyPicture, *, target: str, method: str | Optimising = "imagic", source: str | None = None,
        negative_prompt: str | None = None, mask: AnyMask | None = None, foreground: AnyMask | None = None,
        reference: AnyMask | None = None, size: int | None = None, seed: int = 0, progress: Progress | None = None,
        detail: Detail | None = None, budget: float | None = None, checkpoint: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> Fit:  # fmt: skip
        """Only the optimisation of a method that optimises: any number of edits can then be sampled from the fit.

        The arguments are those of :meth:`edit`; a negative prompt matters to a fit that samples, and edits made from
        it keep it unless they have their own. Ctrl-C ends the optimisation after the step in hand; what was fitted
        until then is returned (``fit.stopped`` says so), and likewise the last good state when the loss diverges.

        Raises:
            BadParameter: for a method that fits nothing, and as in :meth:`edit`.
        """
        request = Request(
            image=image, source=source, target=target, negative_prompt=negative_prompt, method=method, mask=mask,
            foreground=foreground, reference=reference, size=size, seed=seed, progress=progress, detail=detail,
            budget=budget, checkpoint=checkpoint, settings=settings, fitting=True,
        )  # fmt: skip
        check_arguments(request)
        if method is None:
            raise BadParameter("method is None, expected a method's name or a method that fits, as imagic.")
        check_fits(type(method) if isinstance(method, Method) else method_type(method))
        with turn(self.model):
            fitting, job, _ = prepare(self.model, request)
            assert isinstance(fitting, Optimising)
            return replace(fitting.fit(job), notes=job.notes)

    def variations(
        self, image: AnyPicture, fit: Fit, *,
        seeds: Sequence[int] = (0, 1, 2, 3), etas: Sequence[float] | None = None, negative_prompt: str | None = None,
        mask: AnyMask | None = None, keep: str = "auto", strength: float | None = None, size: int | None = None,
        progress: Progress | None = None, **settings: Any,
    ) -> list[EditResult]:  # fmt: skip
        """Samples every ``eta`` with every seed from one fit, in batches: eta by eta, in each the seeds in order.

        Args:
            image: the picture that the fit was made for.
            fit: what :meth:`fit` made of it.
            seeds: each gives another picture.
            etas: values of the parameter ``eta``, for methods that have it; None for its default alone.
            negative_prompt, mask, keep, strength, size, progress: as for :meth:`edit`; of sizes only the fit's.
            settings: parameters of sampling.

        Raises:
            BadFit: when the fit is for another model or picture.
            BadParameter: for ``etas`` where the method has none, or values outside their range.
        """
        if fit is None:
            raise BadFit("fit is None, expected a fit: make one with Editor.fit, or read a file with Fit.load(path).")
        seeds = [checked_seed(seed) for seed in sequence(seeds, "seeds", "whole numbers")]
        etas = None if etas is None else sequence(etas, "etas", "numbers")
        request = Request(
            image=image, negative_prompt=negative_prompt, mask=mask, keep=keep, strength=strength, size=size,
            progress=progress, fit=fit, settings=settings,
        )  # fmt: skip
        with turn(self.model):
            return variations(self.model, request, seeds, etas)

    def mask(
        self, image: AnyPicture, *,
        word: str | None = None, prompt: str | None = None,
        points: Sequence[tuple[float, ...]] = (), outside: Sequence[tuple[float, ...]] = (),
        box: tuple[float, ...] | None = None, segmenter: str = "auto", size: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Image.Image:  # fmt: skip
        """Where a thing is in a picture: L of its size, 255 inside, for the argument ``mask`` of edits.

        Args:
            image: the picture, as for :meth:`edit`.
            word, prompt: names the thing, and says what the picture shows (None: the words alone); it is looked for by
                the network's cross-attention, which a segmenter sharpens where there is one.
            points, outside: (x, y) in pixels, inside the thing and outside it.
            box: (left, top, right, bottom) in pixels, around it.
            segmenter: a Segment Anything model (folder or hub name), "none", or "auto": the embedded one for the
                embedded model.
            size: the working size at which the word is looked for, as for :meth:`edit`.
            say: called with a sentence where the word is not likely to be in the picture; asking for it costs 6 network
                evaluations.

        Raises:
            BadParameter: when nothing says what to mark, or a point lies outside the picture.
            BadModel: when clicks are given and there is no segmenter.
        """
        return thing(self.model, image, word, prompt, points, outside, box, segmenter, size, say)

    def method_for(
        self, name: str, source: str | None, target: str, settings: Mapping[str, Any], **parts: str | None
    ) -> Method:
        """A method as :meth:`edit` would run it: with what the model recommends, and the settings on top.

        Args:
            name: the method's.
            source, target: the prompts; what is recommended may depend on them.
            settings: its parameters.
            parts: ``inversion``, ``control``, ``guidance`` and ``sampler``, by name.

        Raises:
            BadParameter: for a method, part or parameter that there is not, or a value outside its range.
        """
        check_choice(name, source, target, settings, parts)
        return method_for(self.model, name, source, target, settings, **parts)

    def decode(self, latents: Tensor) -> Image.Image:
        """The picture of latents.

        Args:
            latents: [1, C, h, w], as the model has them.

        Raises:
            BadParameter: for anything else.
        """
        check_latents(latents)
        return decoded(self.model, latents)
