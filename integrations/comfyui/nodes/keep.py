"""A node that takes over what anybody's edit changed, and nothing else."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from retouch.keep import keep

from .load import CATEGORY
from .tensors import images_from, masks_from, one_each, pictures_of


class RetouchKeep(io.ComfyNode):
    """An edit by any other node, put back into the picture it was made of."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="RetouchKeep", display_name="Retouch Keep", category=CATEGORY,
            description="Takes over what an edit changed, made by whatever nodes, and puts the picture's own pixels "
            "back everywhere else. It needs no model.",
            inputs=[
                io.Image.Input("before", tooltip="the pictures, at the size wanted"),
                io.Image.Input("after", tooltip="their edits: of any size, shifted or toned a little"),
            ],
            outputs=[
                io.Image.Output("image", display_name="image"),
                io.Mask.Output("changed", display_name="changed"),
                io.Float.Output("untouched", display_name="untouched", tooltip="the share of pixels kept, 0..1"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, before: Tensor, after: Tensor) -> io.NodeOutput:
        """Keeps each."""
        edits = pictures_of(after, "after")
        kept = [
            keep(one, edit)
            for one, edit in zip(one_each(edits, pictures_of(before, "before"), "before"), edits, strict=True)
        ]
        share = sum(one.untouched for one in kept) / len(kept)
        return io.NodeOutput(images_from([one.image for one in kept]), masks_from([one.changed for one in kept]), share)
