"""An edit done again from its recipe: what it asks for, and how the picture that comes out compares with the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retouch.backbone.protocol import Backbone
from retouch.errors import BadModel, BadPicture
from retouch.picture import Picture, read_picture
from retouch.recipe import picture_of
from retouch.request import CONTEXT

SHEETS = ("compare", "sweep", "candidates")
"""Under which the recipes of sheets hold those of their edits."""
PICTURES = ("mask", "foreground", "reference")
"""What an edit may take beside the picture; its recipe holds no more than a digest of each."""


def kind_of(recipe: Mapping[str, Any]) -> str:
    """What a recipe is of: "edit", "fit" (an edit sampled from one), "sheet", "painting", "keep" or "unknown"."""
    if any(isinstance(recipe.get(name), list) for name in SHEETS):
        return "sheet"
    if isinstance(recipe.get("diorama"), str):
        return "painting"
    if isinstance(recipe.get("keep"), Mapping):
        return "keep"
    if not isinstance(recipe.get("method"), str) or not isinstance(recipe.get("parameters"), Mapping):
        return "unknown"
    fit = recipe.get("fit")
    return "fit" if isinstance(fit, Mapping) and "seed" in fit else "edit"


def edits_in(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The recipes of a sheet's edits."""
    return [one for name in SHEETS for one in recipe.get(name) or [] if isinstance(one, Mapping)]


def check_repeatable(recipe: Mapping[str, Any]) -> None:
    """Refuses a recipe that is of no single edit, or of one that it does not hold whole.

    Raises:
        BadPicture: saying what it is of, and what to do.
    """
    kind = kind_of(recipe)
    if kind == "sheet":
        count = len(edits_in(recipe))
        raise BadPicture(f"this is a sheet of {count} edits: `retouch show` lists them; redo takes one edit's picture.")
    if kind == "painting":
        raise BadPicture("this picture was painted, not edited: `retouch show` has the command that paints it again.")
    if kind == "keep":
        raise BadPicture("this picture was put together by `retouch keep`: give that its two pictures again.")
    if kind == "fit":
        raise BadPicture("this edit was sampled from a fit, which is not in the picture: use `retouch edit --fit FIT`.")
    if kind == "unknown":
        raise BadPicture("this recipe is of no edit that this version knows: `retouch show --json` prints it.")
    stopped = (recipe.get("fit") or {}).get("stopped")
    if stopped:
        raise BadPicture(
            f"the fit in this edit ended early ({stopped}), after as many steps as that machine made: it cannot be "
            "repeated; edit anew, without --budget."
        )


def asked_again(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :meth:`retouch.editor.Editor.edit` that a recipe stands for, but for its pictures."""
    settings = dict(recipe["parameters"])
    given: dict[str, Any] = {
        "source": recipe.get("source"), "target": recipe.get("target"), "seed": recipe.get("seed", 0),
        "method": recipe["method"].partition(" as ")[0], **(recipe.get("parts") or {}), **settings,
    }  # fmt: skip
    for name in ("negative_prompt", "strength", "keep", "size", "context"):
        if recipe.get(name) is not None and name not in settings:
            given[name] = recipe[name]
    region = recipe.get("region")
    if region is not None:
        given["region"] = region if isinstance(region, str) else tuple(region)
    if recipe.get("upscaler"):
        given["upscaler"] = recipe["upscaler"]["name"]
    if given.get("context") == CONTEXT:
        del given["context"]
    return given


def taken(recipe: Mapping[str, Any]) -> list[str]:
    """Which of :data:`PICTURES` have to be given again; a region makes a mask of its own."""
    found = [name for name in PICTURES if recipe.get(name)]
    return [name for name in found if name != "mask" or recipe.get("region") is None]


def settings_shown(recipe: Mapping[str, Any]) -> dict[str, str]:
    """A recipe's parameters as ``--set`` takes them."""
    return {
        name: "none" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in recipe["parameters"].items()
    }


def found_picture(recipe: Mapping[str, Any], given: Path | None, near: Path | None) -> Picture:
    """The picture that was edited: the one given, or the file of its name near the result.

    Raises:
        BadPicture: when there is none, or it is another one.
    """
    known = recipe.get("picture") if isinstance(recipe.get("picture"), Mapping) else None
    if given is not None:
        picture = read_picture(given)
        if known is not None and picture_of(picture.image)["digest"] != known.get("digest"):
            raise BadPicture(f"{given} is not the picture that was edited: its pixels have another digest.")
        return picture
    if known is None:
        raise BadPicture("the recipe does not say which picture was edited: name it with --picture.")
    name = known.get("name")
    places = [] if not name else [*([near.parent, *near.absolute().parent.parents[:1]] if near else []), Path()]
    for place in places:
        if (place / Path(str(name)).name).is_file():
            try:
                picture = read_picture(place / Path(str(name)).name)
            except BadPicture:
                continue
            if picture_of(picture.image)["digest"] == known.get("digest"):
                return picture
    looked = f"no {name!r} with its pixels lies beside the result or here" if name else "its file's name is not known"
    raise BadPicture(f"the picture that was edited was not found ({looked}): name it with --picture.")


def check_model(recipe: Mapping[str, Any], model: Backbone) -> None:
    """Refuses another model than the edit was made by.

    Raises:
        BadModel: saying in what it differs.
    """
    if recipe.get("fingerprint") != model.fingerprint:
        raise BadModel(
            f"the edit was made by the checkpoint {recipe.get('fingerprint')} ({recipe.get('model')!r}), and "
            f"{model.name!r} is {model.fingerprint}: name the right one with --model."
        )
    then, now = recipe.get("read_as") or {}, model.read_as.changed
    if _plain(then) != _plain(now):
        raise BadModel(
            f"the edit was made by {model.name!r} read with {_said(then)}, and this is with {_said(now)}: give the "
            "same, as --set-model, --lora, --vae, --embedding …"
        )


@dataclass(frozen=True)
class Agreement:
    """How two pictures of one recipe compare.

    Attributes:
        pixels: how many there are; ``differ``: how many are not the same.
        most: the largest difference of a channel, 0..255.
        versions: (name, then, now) of what has another version now.
    """

    pixels: int
    differ: int
    most: int
    versions: tuple[tuple[str, str, str], ...]

    @property
    def same(self) -> bool:
        """Whether all pixels agree."""
        return self.differ == 0


def agreement(
    first: Image.Image, again: Image.Image, recipe: Mapping[str, Any], now: Mapping[str, Any]
) -> Agreement:  # fmt: skip
    """Compares a picture with the one that its recipe made again.

    Raises:
        BadPicture: when they are of two sizes: the file was changed since.
    """
    if first.size != again.size:
        raise BadPicture(
            f"the picture is {first.width} x {first.height} and its recipe makes {again.width} x {again.height}: it "
            "was cropped or resized since."
        )
    gap = np.abs(np.asarray(first.convert("RGB"), int) - np.asarray(again.convert("RGB"), int)).max(2)
    return Agreement(gap.size, int((gap > 0).sum()), int(gap.max()), changed_versions(recipe, now))


def changed_versions(recipe: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """(name, then, now) of Retouch and the libraries that have another version in the recipe ``now``."""
    then = {"retouch": recipe.get("retouch"), **(recipe.get("versions") or {})}
    here = {"retouch": now.get("retouch"), **(now.get("versions") or {})}
    return tuple((name, str(was), str(here.get(name))) for name, was in then.items() if was != here.get(name))


def _plain(value: Any) -> Any:
    """Nested values without the names of files, which may be moved."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if key != "name"}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _said(read_as: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in read_as.items()) or "nothing else"
