"""What a pack imports: the base of extensions, and ``io``."""

from abc import ABC, abstractmethod

from . import io

__all__ = ["ComfyExtension", "io"]


class ComfyExtension(ABC):
    """A pack."""

    async def on_load(self) -> None:  # noqa: B027, it may be left as it is
        """Called once."""

    @abstractmethod
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Its nodes."""
