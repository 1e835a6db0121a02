"""Edit real pictures by text with diffusion models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retouch.editor import Editor, EditResult
    from retouch.errors import RetouchError
    from retouch.fit.fitted import Fit
    from retouch.methods.registry import methods as list_methods

__version__ = "0.1.0"
__all__ = ["EditResult", "Editor", "Fit", "RetouchError", "__version__", "list_methods"]

_HOMES = {
    "Editor": ("retouch.editor", "Editor"),
    "EditResult": ("retouch.editor", "EditResult"),
    "Fit": ("retouch.fit.fitted", "Fit"),
    "RetouchError": ("retouch.errors", "RetouchError"),
    "list_methods": ("retouch.methods.registry", "methods"),  # retouch.methods itself is the package
}


def __getattr__(name: str) -> Any:
    # imported on first use: `import retouch` and `retouch --help` must not wait for torch
    if name in _HOMES:
        from importlib import import_module

        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'retouch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
