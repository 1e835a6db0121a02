"""What a model's folder recommends in place of the methods' published defaults, which were made for another model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouch.backbone.rungs import Ladder, read_ladder
from retouch.errors import BadModel
from retouch.prompts import words_of

FILE = "retouch.json"

Settings = Mapping[str, Mapping[str, Any]]
"""Parameters by method."""


@dataclass(frozen=True)
class WhenChanged:
    """Settings for edits in which one of ``words`` comes or goes: another kind of change, another strength."""

    words: frozenset[str]
    settings: Settings


@dataclass(frozen=True)
class Recommended:
    """A model's recommendations: for every edit, and on top of these for edits that change certain words.

    ``ladder``: which methods are tried where none is named.
    """

    settings: Settings = field(default_factory=dict)
    when_changed: Sequence[WhenChanged] = ()
    ladder: Ladder = field(default_factory=Ladder)

    def for_edit(self, method: str, source: str | None, target: str) -> dict[str, Any]:
        """The parameters recommended for one edit; without a source prompt nothing is known to change."""
        chosen = dict(self.settings.get(method, {}))
        changed = set(words_of(source)) ^ set(words_of(target)) if source else set()
        for rule in self.when_changed:
            if rule.words & changed:
                chosen |= rule.settings.get(method, {})
        return chosen


def read_recommended(folder: Path) -> Recommended:
    """Reads a model folder's optional file ``retouch.json``.

    ``{"settings": {METHOD: {PARAMETER: VALUE}}, "when_changed": [{"words": [...], "settings": {...}}], "auto": ...}``,
    the second and third part optional; what "auto" holds, :func:`retouch.backbone.rungs.read_ladder` says.

    Raises:
        BadModel: when the file is not of this form.
    """
    path = folder / FILE
    if not path.exists():
        return Recommended()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rules = [
            WhenChanged(frozenset(str(word).lower() for word in rule["words"]), _settings(rule["settings"]))
            for rule in content.get("when_changed", [])
        ]
        return Recommended(_settings(content["settings"]), rules, read_ladder(content.get("auto", {})))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(
            f'{path} is damaged: expected {{"settings": {{METHOD: {{PARAMETER: VALUE}}}}}}; correct or remove it.'
        ) from error


def _settings(content: Any) -> Settings:
    return {str(method): dict(values) for method, values in content.items()}
