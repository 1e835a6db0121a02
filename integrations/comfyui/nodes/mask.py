"""A node that finds a thing: by a word, by clicks or by a box."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from retouch import Editor
from retouch.errors import BadParameter

from .load import CATEGORY, Model
from .tensors import masks_from, pictures_of

_FAR = 16384  # pixels


def points_of(text: str, name: str) -> list[tuple[float, float]]:
    """Points as ``"64,80; 20,30"``.

    Raises:
        BadParameter: for anything else.
    """
    found = []
    for piece in filter(None, map(str.strip, text.replace("\n", ";").split(";"))):
        try:
            x, y = (float(number) for number in piece.split(","))
        except ValueError:
            raise BadParameter(f"{name} holds {piece!r}, expected x,y in pixels, several by semicolons.") from None
        found.append((x, y))
    return found


class RetouchMask(io.ComfyNode):
    """Where a thing is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        sides = [io.Int.Input(side, default=0, min=0, max=_FAR) for side in ("left", "top", "right", "bottom")]
        return io.Schema(
            node_id="RetouchMask", display_name="Retouch Mask", category=CATEGORY,
            description="Finds a thing in every picture of a batch. Clicks and boxes need a model with a segmenter: "
            "the embedded one has its own.",
            inputs=[
                Model.Input("model"), io.Image.Input("image"),
                io.DynamicCombo.Input("by", options=[
                    io.DynamicCombo.Option("word", [
                        io.String.Input("word", default="", tooltip="names the thing"),
                        io.String.Input("prompt", default="", tooltip="what the picture shows; it holds the word"),
                    ]),
                    io.DynamicCombo.Option("clicks", [
                        io.String.Input("points", default="", tooltip="in it, as 64,80; 20,30 in pixels"),
                        io.String.Input("outside", default="", tooltip="not in it, likewise"),
                    ]),
                    io.DynamicCombo.Option("box", sides),
                ]),
            ],
            outputs=[
                io.Mask.Output("mask", display_name="mask"),
                io.String.Output("notes", display_name="notes", tooltip="doubt that the thing is there"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model: Editor, image: Tensor, by: dict[str, Any]) -> io.NodeOutput:
        """Looks for it."""
        said: list[str] = []
        how: dict[str, Any]
        if by["by"] == "word":
            if not by["word"].strip():
                raise BadParameter("word is empty: name the thing to look for.")
            how = {"word": by["word"], "prompt": by["prompt"] or None, "say": said.append}
        elif by["by"] == "clicks":
            how = {name: points_of(by[name], name) for name in ("points", "outside")}
        else:
            how = {"box": tuple(by[side] for side in ("left", "top", "right", "bottom"))}
        found = [model.mask(one, **how) for one in pictures_of(image, "image")]
        return io.NodeOutput(masks_from(found), "\n".join(dict.fromkeys(said)))
