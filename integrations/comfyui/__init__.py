"""Retouch as nodes for ComfyUI: what the host calls to learn which nodes there are."""

from comfy_api.latest import ComfyExtension, io

from .nodes.compare import RetouchCompare
from .nodes.edit import RetouchEdit
from .nodes.keep import RetouchKeep
from .nodes.load import RetouchFromCheckpoint, RetouchLoadModel
from .nodes.mask import RetouchMask

NODES: list[type[io.ComfyNode]] = [
    RetouchLoadModel,
    RetouchFromCheckpoint,
    RetouchEdit,
    RetouchCompare,
    RetouchMask,
    RetouchKeep,
]


class Retouch(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes."""
        return NODES


async def comfy_entrypoint() -> Retouch:
    """What the host looks for in a pack."""
    return Retouch()
