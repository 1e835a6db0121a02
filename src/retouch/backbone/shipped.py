"""What single files leave out and Retouch ships: configurations of their classes, and CLIP's tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retouch.backbone.family import SD, SDXL, Family

FOLDER = Path(__file__).parent / "files"
"""Its README says where all of it comes from, and its licences."""

CLASSES: dict[str, Family] = {"sd1": SD, "sd2": SD, "sdxl": SDXL}
"""The classes of single files, each with its family."""


def configs_of(kind: str) -> dict[str, dict[str, Any]]:
    """The configurations of a class by part."""
    said: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    return said


def tokenizers_of(kind: str) -> dict[str, Any]:
    """The tokenizers of a class by part: CLIP's, each with its own padding."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    said = configs_of(kind)
    return {
        part: CLIPTokenizer.from_pretrained(FOLDER / "tokenizer", local_files_only=True, **said[part])
        for part in CLASSES[kind].tokenizers
    }
