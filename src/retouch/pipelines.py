"""The methods as a pipeline in diffusers' manner: called with pictures and prompts, answered with ``.images``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Never

import numpy as np
import torch
from diffusers.utils.outputs import BaseOutput
from numpy.typing import NDArray
from PIL import Image
from torch import Generator, Tensor

from retouch.backbone.live import check_no_others
from retouch.editor import Editor, EditResult
from retouch.errors import BadParameter, BadPicture, BadPrompt
from retouch.fit.fitted import Fit
from retouch.methods.method import Method
from retouch.parts.inversions import Inversions
from retouch.picture import Picture
from retouch.prepare import opened
from retouch.request import Progress, checked_seed

OUTPUTS = ("pil", "np", "pt")
"""PIL images; float32 [B, H, W, 3] in 0..1; the same as a tensor [B, 3, H, W]."""
_OURS = {"source": "source_prompt", "target": "prompt", "mask": "mask_image"}
_THEIRS = {ours: name for name, ours in _OURS.items()}


@dataclass
class RetouchPipelineOutput(BaseOutput):
    """What diffusers' pipelines return, and more of each picture.

    Attributes:
        images: PIL images, or an array or tensor of all of them.
        results: recipes, notes, cost, one for each picture.
    """

    images: list[Image.Image] | NDArray[np.float32] | Tensor
    results: list[EditResult]


class RetouchPipeline:
    """Edits pictures by a pipeline's networks.

    Args:
        editor: whose model edits.

    Example:
        >>> edit = RetouchPipeline.from_pipe(pipe)
        >>> edit("a photo of a dog on snow", image, source_prompt="a photo of a dog on grass").images[0]
    """

    def __init__(self, editor: Editor) -> None:
        if not isinstance(editor, Editor):
            raise BadParameter(
                f"a RetouchPipeline is made of an Editor, not of a {type(editor).__name__}: write "
                "RetouchPipeline.from_pipe(pipe) or RetouchPipeline.from_pretrained(name)."
            )
        self.editor = editor

    @classmethod
    def from_pipe(
        cls, pipe: Any, *, clip_skip: int = 0, long_prompts: bool = False, **others: Never
    ) -> RetouchPipeline:
        """For a live pipeline of diffusers, which is used as it is at every call and left as it was found.

        Args:
            pipe: of diffusers.
            others: none; unknown arguments are refused.
            clip_skip, long_prompts: how its texts are read, see :class:`retouch.backbone.load.LoadSettings`.

        Raises:
            BadModel: for a pipeline that cannot be edited with, by the name of its class.
        """
        check_no_others("from_pipe", others)
        if isinstance(pipe, str | PathLike | Editor):
            instead = "RetouchPipeline(editor)" if isinstance(pipe, Editor) else "RetouchPipeline.from_pretrained(name)"
            raise BadParameter(
                f"from_pipe takes a diffusers pipeline, and this is of the type {type(pipe).__name__}: write {instead}."
            )
        return cls(Editor(pipe, clip_skip=clip_skip, long_prompts=long_prompts))

    @classmethod
    def from_pretrained(cls, name: str | PathLike[str], **how: Any) -> RetouchPipeline:
        """For a model by its name, see :meth:`retouch.editor.Editor.from_pretrained`.

        Args:
            name, how: the model's, and how it is loaded.
        """
        return cls(Editor.from_pretrained(name, **how))

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        *,
        source_prompt: str | Sequence[str] | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        mask_image: Any = None,
        method: str | Method | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int = 1,
        generator: Generator | Sequence[Generator] | None = None,
        seed: int | None = None,
        fit: Fit | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        progress: Progress | None = None,
        **settings: Any,
    ) -> RetouchPipelineOutput | tuple[Any, ...]:
        """Edits one picture or several; of pictures, prompts and masks there may be one for all or one for each.

        Args:
            prompt: what the pictures should show.
            image: PIL images, paths, arrays [H, W, 3] or tensors [3, H, W] in 0..1, or batches of them.
            source_prompt, negative_prompt: what they show now, and what they should not show.
            mask_image: white where the edit may happen.
            num_inference_steps, guidance_scale, settings: parameters of the method, and all that
                :meth:`retouch.editor.Editor.edit` takes, as ``strength`` or ``keep``; None for the method's own.
            num_images_per_prompt: edits of each, from seeds of their own.
            generator: one that the seeds are drawn from, or one for each picture; in place of a ``seed`` (0 if neither
                is given), from which the pictures of one prompt count up.
            fit: what :meth:`fit` left; the prompt may be left out then.
            output_type: "pil", "np" or "pt".
            progress: called with the steps done and the steps there are, over all pictures.

        Raises:
            BadPicture, BadPrompt, BadParameter, BadFit: each a sentence that says what to do.
        """
        how = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
        settings |= {name: value for name, value in how.items() if value is not None}
        _check_names(settings, output_type, progress)
        rows = _rows(
            image=[opened(one) for one in _pictures(image, "image")], prompt=_texts(prompt, "prompt"),
            source_prompt=_texts(source_prompt, "source_prompt"),
            negative_prompt=_texts(negative_prompt, "negative_prompt"),
            mask_image=_pictures(mask_image, "mask_image"),
        )  # fmt: skip
        if output_type != "pil" and len({row["image"].image.size for row in rows}) > 1:
            raise BadParameter("the pictures have several sizes, of which no one array can be made: output_type pil.")
        seeds = _seeds(seed, generator, len(rows), num_images_per_prompt)
        asked = [{**row, "seed": one} for row, own in zip(rows, seeds, strict=True) for one in own]
        inversions, results = Inversions(), list[EditResult]()
        for number, one in enumerate(asked):
            told = None if progress is None else _share(progress, number, len(asked))
            results.append(
                self.editor.edit(**one, method=method, fit=fit, progress=told, inversions=inversions, **settings)
            )
        images = _as(output_type, [result.image for result in results])
        return RetouchPipelineOutput(images=images, results=results) if return_dict else (images,)

    def fit(
        self,
        prompt: str,
        image: Any,
        *,
        source_prompt: str | None = None,
        method: str = "imagic",
        generator: Generator | None = None,
        seed: int | None = None,
        **settings: Any,
    ) -> Fit:
        """Optimises for one picture, see :meth:`retouch.editor.Editor.fit`; calls with ``fit=…`` then sample.

        With ``adapter_rank`` above 0 ``fit.save_lora(path)`` writes what ``pipe.load_lora_weights(path)`` loads.

        Args:
            prompt, source_prompt: what the picture should show, and what it shows.
            image: one picture.
            method, settings: one that fits, and its parameters.
            generator, seed: one of them, or none for the seed 0.
        """
        _check_names(settings)
        pictures = _pictures(image, "image")
        if len(pictures) != 1:
            raise BadPicture(f"there are {len(pictures)} pictures, and a fit is made for one: give one.")
        (row,) = _rows(image=pictures, prompt=[prompt], source_prompt=[source_prompt])
        ((number,),) = _seeds(seed, generator, 1, 1)
        return self.editor.fit(**row, method=method, seed=number, **settings)


def _check_names(settings: dict[str, Any], output_type: str = "pil", progress: Progress | None = None) -> None:
    if progress is not None and not callable(progress):
        raise BadParameter(f"progress is {progress!r}, expected a function.")
    if output_type not in OUTPUTS:
        raise BadParameter(f"output_type is {output_type!r}, expected {', '.join(OUTPUTS)}.")
    for name, ours in _OURS.items():
        if name in settings:
            raise BadParameter(f"{name} is called {ours} here, as in diffusers: write {ours}=….")


def _texts(prompts: str | Sequence[str] | None, name: str) -> list[Any]:
    """Prompts one by one."""
    if prompts is None or isinstance(prompts, str):
        return [prompts]
    if isinstance(prompts, bytes | Mapping) or not isinstance(prompts, Iterable):
        raise BadPrompt(f"{name} is {prompts!r}, expected text, or a list of texts.")
    found = list(prompts)
    odd = [one for one in found if one is not None and not isinstance(one, str)]
    if odd or not found:
        raise BadPrompt(f"{name} {f'holds {odd[0]!r}' if odd else 'is an empty list'}, expected texts in it.")
    return found


def _pictures(image: Any, name: str) -> list[Any]:
    """Pictures one by one, arrays and tensors as PIL images."""
    if isinstance(image, Tensor):
        plain = image.detach().cpu() if image.dtype == torch.uint8 else image.detach().float().cpu()
        return _from_array(plain.movedim(-3, -1).numpy() if plain.ndim > 2 else plain, name)
    if isinstance(image, np.ndarray):
        return _from_array(image, name)
    if isinstance(image, str | PathLike | Image.Image | Picture) or (image is None and name != "image"):
        return [image]
    if image is None:
        raise BadPicture("there is no picture: give the one that is to be edited, as image=….")
    if isinstance(image, bytes | Mapping) or not isinstance(image, Iterable):
        raise BadPicture(f"{name} is {image!r}, expected PIL images, paths, arrays or tensors.")
    found = [one for several in image for one in _pictures(several, name)]
    if not found:
        raise BadPicture(f"{name} is an empty list, expected pictures.")
    return found


_ROUNDING = 1e-3
"""How far outside their range values may lie by rounding."""


def _from_array(values: Any, name: str) -> list[Image.Image]:
    """Pictures of [H, W, 3] or [B, H, W, 3]: floats in 0..1, in -1..1 where some are clearly negative, or bytes."""
    if values.ndim not in (3, 4) or values.shape[-1] != 3 or 0 in values.shape:
        raise BadPicture(
            f"{name} is an array of the shape {list(values.shape)}, expected [H, W, 3] or, as a tensor, [3, H, W], or "
            "several of them."
        )
    if values.dtype != np.uint8:
        values = np.asarray(values, np.float32)
        if not np.isfinite(values).all() or np.abs(values).max() > 1.001:
            raise BadPicture(f"{name} holds numbers outside 0..1, expected pictures in 0..1.")
        if values.min() < -_ROUNDING:
            values = (values + 1) / 2
        values = (values * 255).clip(0, 255).round().astype(np.uint8)
    return [Image.fromarray(np.ascontiguousarray(one)) for one in values.reshape(-1, *values.shape[-3:])]


def _rows(**given: list[Any]) -> list[dict[str, Any]]:
    """The arguments of every edit; of each there is one for all, or one for each."""
    count = max(map(len, given.values()))
    most = next(name for name, values in given.items() if len(values) == count)
    odd = [f"{len(values)} for {name}" for name, values in given.items() if len(values) not in (1, count)]
    if odd:
        raise BadParameter(f"there are {count} for {most} but {odd[0]}: give one for all, or one for each.")
    return [
        {_THEIRS.get(name, name): values[i if len(values) > 1 else 0] for name, values in given.items()}
        for i in range(count)
    ]


def _seeds(
    seed: int | None, generator: Generator | Sequence[Generator] | None, rows: int, each: int
) -> list[list[int]]:
    """For every row the seeds of its pictures."""
    if not isinstance(each, int) or isinstance(each, bool) or each < 1:
        raise BadParameter(f"num_images_per_prompt is {each!r}, expected a whole number from 1.")
    if generator is None:
        first = checked_seed(0 if seed is None else seed)
        return [[first + i for i in range(each)]] * rows
    if seed is not None:
        raise BadParameter("there are a seed and a generator: give one of them.")
    count = rows * each
    several: list[Any] = (
        list(generator) if isinstance(generator, Iterable) and not isinstance(generator, Generator)
        else [generator] * count
    )  # fmt: skip
    if len(several) != count or not all(isinstance(one, Generator) for one in several):
        raise BadParameter(
            f"generator is {generator!r}, expected a torch.Generator" + f", or a list of {count}" * (count > 1) + "."
        )
    drawn = [int(torch.randint(2**63 - 1, (), generator=one, device=one.device)) for one in several]
    return [drawn[i : i + each] for i in range(0, len(drawn), each)]


def _share(progress: Progress, number: int, count: int) -> Progress:
    return lambda done, total: progress(number * total + done, count * total)


def _as(output_type: str, images: list[Image.Image]) -> Any:
    if output_type == "pil":
        return images
    values = np.stack([np.asarray(image, np.float32) / 255 for image in images])
    return values if output_type == "np" else torch.from_numpy(values.transpose(0, 3, 1, 2).copy())
