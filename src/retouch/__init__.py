"""Edit real pictures by text with diffusion models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retouch.editor import Editor, EditResult
    from retouch.methods.registry import methods

__version__ = "0.1.0"
__all__ = ["EditResult", "Editor", "__version__", "methods"]

_HOMES = {"Editor": "retouch.editor", "EditResult": "retouch.editor", "methods": "retouch.methods.registry"}


def __getattr__(name: str) -> Any:
    # imported on first use: `import retouch` and `retouch --help` must not wait for torch
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'retouch' has no attribute {name!r}")
