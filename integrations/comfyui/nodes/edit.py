"""A node that edits a batch of pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from retouch import Editor, EditResult
from retouch.arguments import KEEP
from retouch.cli.options import read_region
from retouch.request import AUTO

from .fields import method_input, settings_of
from .host import Steps, interruptible
from .load import CATEGORY, Model
from .tensors import images_from, masks_from, masks_of, one_each, pictures_of

_SEEDS = 2**63 - 1
_LARGEST = 4096


def common_inputs() -> list[io.Input]:
    """What edits and comparisons have in common."""
    return [
        io.Int.Input("seed", default=0, min=0, max=_SEEDS, control_after_generate=True, tooltip="the same for all"),
        io.Float.Input(
            "strength", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="how far the edit goes; 1 is all of it"
        ),
        io.Combo.Input(
            "keep", options=list(KEEP), default="auto",
            tooltip="pixels that the edit did not change are the input's own; off: all as the model drew it",
        ),
        io.Int.Input(
            "size", default=0, min=0, max=_LARGEST, step=8, tooltip="the working size in pixels; 0: the model's own"
        ),
        io.Boolean.Input(
            "recommended", default=True,
            tooltip="what is at its default is set to what the model recommends; off: all as it is shown",
        ),
        io.String.Input("negative", default="", multiline=True, optional=True, tooltip="what should not be there"),
        io.Mask.Input("mask", optional=True, tooltip="where the edit may happen; one, or one for each picture"),
    ]  # fmt: skip


def common(seed: int, strength: float, keep: str, size: int, negative: str) -> dict[str, Any]:
    """The same as arguments of an edit."""
    return {
        "seed": seed, "strength": None if strength == 1 else strength, "keep": keep, "size": size or None,
        "negative_prompt": negative or None,
    }  # fmt: skip


class RetouchEdit(io.ComfyNode):
    """An edit of every picture of a batch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="RetouchEdit", display_name="Retouch Edit", category=CATEGORY,
            description="Edits pictures by text: say what they show and what they should show.",
            inputs=[
                Model.Input("model"), io.Image.Input("image"),
                io.String.Input("source", default="", multiline=True, tooltip="what the pictures show"),
                io.String.Input("target", default="", multiline=True, tooltip="what they should show"),
                method_input(), *common_inputs(),
                io.Mask.Input("foreground", optional=True, tooltip="where the subject is, for methods that ask"),
                io.String.Input("region", default="", optional=True, tooltip="left,top,right,bottom, or a word"),
                io.Int.Input("side_by_side", default=8, min=1, max=64, optional=True, tooltip="edits at a time"),
            ],
            outputs=[
                io.Image.Output("edited", display_name="edited"),
                io.Mask.Output("changed", display_name="changed", tooltip="how much of the edit each pixel takes"),
                io.String.Output("recipes", display_name="recipes", tooltip="a JSON list: how to make them again"),
                io.String.Output("notes", display_name="notes"),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Editor, image: Tensor, source: str, target: str, method: dict[str, Any], seed: int, strength: float,
        keep: str, size: int, recommended: bool, negative: str = "", mask: Tensor | None = None,
        foreground: Tensor | None = None, region: str = "", side_by_side: int = 8,
    ) -> io.NodeOutput:  # fmt: skip
        """Edits them, several side by side."""
        given = dict(method)
        name = given.pop("method")
        settings = settings_of(name, given, recommended=recommended)
        what = name if name == AUTO else model.method_for(name, source or None, target, settings)
        pictures = pictures_of(image, "image")
        everything = common(seed, strength, keep, size, negative) | {
            "source": source or None, "target": target, "method": what, "region": read_region(region or None, "region"),
        }  # fmt: skip
        edits: list[dict[str, Any]] = [{**everything, "image": one} for one in pictures]
        for where, value in (("mask", mask), ("foreground", foreground)):
            for edit, own in zip(edits, _own(pictures, value, where), strict=True):
                edit[where] = own
        steps = Steps(len(edits), cls.hidden.unique_id)
        for number, edit in enumerate(edits):
            edit["progress"] = steps.of(number)
        with interruptible():
            made = [model.edit(**edits[0])] if len(edits) == 1 else model.edit_many(edits, batch=side_by_side)
        return _output([one for one in made if isinstance(one, EditResult)])  # all are: the first that fails is raised


def _own(pictures: list[Image.Image], value: Tensor | None, name: str) -> list[Image.Image | None]:
    if value is None:
        return [None] * len(pictures)
    return list(one_each(pictures, masks_of(value, name), name))


def _output(results: list[EditResult]) -> io.NodeOutput:
    notes = dict.fromkeys(sentence for result in results for sentence in result.notes)
    return io.NodeOutput(
        images_from([result.image for result in results]), masks_from([_changed(result) for result in results]),
        json.dumps([result.recipe for result in results]), "\n".join(notes),
    )  # fmt: skip


def _changed(result: EditResult) -> Image.Image:
    """The map of what changed; where nothing was kept on purpose, the pixels that differ."""
    if result.changed is not None:
        return result.changed
    differ = (np.asarray(result.before) != np.asarray(result.image)).any(2)
    return Image.fromarray((differ * 255).astype(np.uint8))
