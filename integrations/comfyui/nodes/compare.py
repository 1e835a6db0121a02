"""A node that edits one picture by several methods."""

from __future__ import annotations

import json

from comfy_api.latest import io
from torch import Tensor

from retouch import Editor
from retouch.backbone.load import EMBEDDED_MODELS
from retouch.errors import BadPicture, RetouchError
from retouch.explore.clip_score import ClipScorer
from retouch.explore.compare import compare, own_settings
from retouch.parameters import settings_from_text
from retouch.runs.variants import chosen_methods

from .edit import common, common_inputs
from .host import Steps, interruptible
from .load import CATEGORY, Model
from .tensors import images_from, masks_of, pictures_of


class RetouchCompare(io.ComfyNode):
    """One edit by several methods."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="RetouchCompare", display_name="Retouch Compare", category=CATEGORY,
            description="Edits one picture by several methods: a labelled sheet, the edits, and a table as JSON.",
            inputs=[
                Model.Input("model"), io.Image.Input("image"),
                io.String.Input("source", default="", multiline=True, tooltip="what the picture shows"),
                io.String.Input("target", default="", multiline=True, tooltip="what it should show"),
                io.String.Input(
                    "methods", default="edit-friendly, ddim, masactrl",
                    tooltip="names by commas; tuning-free: all that fit nothing; all: these, too, which takes minutes",
                ),
                io.String.Input(
                    "settings", default="", multiline=True, tooltip="a line each: num_inference_steps=20"
                ),
                io.Int.Input("columns", default=5, min=1, max=20, tooltip="pictures in a row of the sheet"),
                *(one for one in common_inputs() if one.id != "recommended"),
            ],
            outputs=[
                io.Image.Output("sheet", display_name="sheet"),
                io.Image.Output("edits", display_name="edits", tooltip="of the methods that succeeded, in order"),
                io.String.Output("table", display_name="table"),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model: Editor, image: Tensor, source: str, target: str, methods: str, settings: str, columns: int,
        seed: int, strength: float, keep: str, size: int, negative: str = "", mask: Tensor | None = None,
    ) -> io.NodeOutput:  # fmt: skip
        """Edits it by all of them, one after another."""
        pictures = pictures_of(image, "image")
        if len(pictures) != 1:
            raise BadPicture(f"there are {len(pictures)} pictures, and one is compared: choose one of the batch.")
        names, given = chosen_methods(methods, "methods"), settings_from_text(settings.splitlines(), "settings")
        own_settings(names, given)
        scorer = ClipScorer() if model.model.name in EMBEDDED_MODELS else None
        with interruptible():
            made = compare(
                model, pictures[0], source=source or None, target=target, methods=names, settings=given,
                mask=None if mask is None else masks_of(mask, "mask")[0], scorer=scorer,
                progress=Steps(1, cls.hidden.unique_id).of(), **common(seed, strength, keep, size, negative),
            )  # fmt: skip
        edits = [row.result.image for row in made.rows if row.result]
        if not edits:
            raise RetouchError(f"no method succeeded; {made.rows[0].method}: {made.rows[0].error}")
        table = json.dumps([row.figures() for row in made.rows])
        return io.NodeOutput(images_from([made.sheet(columns)]), images_from(edits), table)
