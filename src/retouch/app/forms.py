"""The page's controls as a form: what a browser sends of it checked, and a recipe turned back into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retouch.app.about import AUTO, About, AboutMethod
from retouch.app.grid import MAX_SEED
from retouch.app.tasks import Edit
from retouch.app.words import MAX_LETTERS
from retouch.errors import BadParameter, BadPrompt
from retouch.parameters import Parameter

MAX_SIZE = 2048
"""The largest working size in pixels that may be asked for."""
KEEP = ("auto", "exact", "off")
EMPTY: Mapping[str, Any] = {
    "source": "", "target": "", "negative": "", "method": AUTO, "settings": {}, "strength": 1.0, "keep": "auto",
    "seed": 0, "region": "", "size": "",
}  # fmt: skip


def text(value: object, name: str, most: int = MAX_LETTERS) -> str:
    """A text that a browser sent.

    Raises:
        BadPrompt: when it is none, or too long.
    """
    if not isinstance(value, str):
        raise BadPrompt(f"{name} is no text: reload the page.")
    if len(value) > most:
        raise BadPrompt(f"{name} has {len(value)} letters, and at most {most} are read: shorten it.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadPrompt(f"{name} holds half a letter that is no text: write it anew.") from None
    return " ".join(value.split())


def number(value: object, name: str, low: float, high: float) -> float:
    """A number that a browser sent.

    Raises:
        BadParameter: when it is none, or outside low..high.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadParameter(f"{name} is {shortly(value)}, expected a number in {low:g}..{high:g}.")
    return float(value)


def seed(value: object) -> int:
    """A seed, from a number or a text.

    Raises:
        BadParameter: when it is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 30:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise BadParameter(f"the seed is {shortly(value)}, expected a whole number in 0..{MAX_SEED}.")
    return value


def size(value: object) -> int | None:
    """A working size; None where it is left open.

    Raises:
        BadParameter: when it is none that can be worked at.
    """
    if value in (None, ""):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 30:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 16 <= value <= MAX_SIZE:
        raise BadParameter(f"the working size is {shortly(value)}, expected a whole number in 16..{MAX_SIZE}.")
    return value


def shortly(value: object) -> str:
    """A value in a sentence, however long it is."""
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


@dataclass(frozen=True)
class Forms:
    """Reads forms; what it knows of the methods decides what may be in one."""

    about: About

    def method(self, value: object) -> AboutMethod | None:
        """A method by name; None for auto.

        Raises:
            BadParameter: when there is none of that name.
        """
        if value == AUTO:
            return None
        known = self.about.methods.get(value) if isinstance(value, str) else None
        if known is None:
            raise BadParameter(f"there is no method {shortly(value)}: choose one of the list.")
        return known

    def settings(self, method: AboutMethod | None, given: object) -> dict[str, Any]:
        """The parameters that differ from what holds by itself; ``given`` is by name, or JSON.

        Raises:
            BadParameter: for one that the method does not have here, or a value outside its range.
        """
        if isinstance(given, str):
            try:
                given = json.loads(given or "{}")
            except (ValueError, RecursionError):
                raise BadParameter("the settings are not understood: reload the page.") from None
        if not isinstance(given, Mapping):
            raise BadParameter("the settings are not understood: reload the page.")
        known: dict[str, Parameter] = {} if method is None else {p.name: p for p in method.parameters}
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                whose = AUTO if method is None else method.name
                raise BadParameter(f"{whose} has no setting {shortly(name)} here: choose it from the list.")
            read = _read(known[name], value)
            if read != known[name].default:
                found[str(name)] = read
        return found

    def edit(self, form: Mapping[str, Any], picture: bytes, mask: bytes | None = None, choices: bool = False) -> Edit:
        """A form as an edit of a picture.

        Args:
            choices: whether the target may hold {choices}.

        Raises:
            BadPrompt, BadParameter: each a sentence for the visitor.
        """
        source, target = text(form["source"], "what it shows"), text(form["target"], "what it should show")
        if not target:
            raise BadPrompt("what the picture should show is empty: write it first.")
        if not choices and ("{" in target or "}" in target):
            raise BadPrompt("the target prompt holds choices in braces: press “Make the grid” for these.")
        method = self.method(form["method"])
        if not source and (method is None or method.needs_source):
            name = "the automatic choice" if method is None else method.name
            raise BadPrompt(f"{name} needs to know what the picture shows: write it first.")
        if form["keep"] not in KEEP:
            raise BadParameter(f"keep is {shortly(form['keep'])}, expected one of {', '.join(KEEP)}.")
        strength = number(form["strength"], "the strength", 0, 1)
        return Edit(
            picture, source, target, text(form["negative"], "what it should not show"), form["method"],
            self.settings(method, form["settings"]), None if strength == 1 else strength, form["keep"],
            seed(form["seed"]), mask, text(form["region"], "the region", 200), size(form["size"]),
        )  # fmt: skip

    def of_recipe(self, recipe: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The form that a recipe was made by, and what of it could not be brought back, in sentences.

        Whatever stands in the recipe, which may be anybody's, what comes out is in range.
        """
        form: dict[str, Any] = {**EMPTY, "settings": {}}
        notes: list[str] = []
        for name, key in (("source", "source"), ("target", "target"), ("negative", "negative_prompt")):
            try:
                form[name] = text(recipe.get(key) or "", name)
            except BadPrompt as error:
                notes.append(str(error))
        for name, read in (("seed", seed), ("strength", lambda value: number(value, "the strength", 0, 1))):
            try:
                form[name] = read(recipe.get(name, form[name]))
            except BadParameter as error:
                notes.append(str(error))
        if isinstance(recipe.get("region"), str) and len(recipe["region"]) <= 200:
            form["region"] = recipe["region"]
        try:
            form["size"] = str(size(recipe.get("size")) or "")
        except BadParameter as error:
            notes.append(str(error))
        if recipe.get("keep") in KEEP:
            form["keep"] = recipe["keep"]
        self._method_of(recipe, form, notes)
        if recipe.get("model") not in (None, self.about.model):
            notes.append(f"this was made by the model {shortly(recipe['model'])}, and here is {self.about.model!r}.")
        if recipe.get("mask"):
            notes.append("it was made with a mask, which is not in the file: load it, or paint it anew.")
        return form, notes

    def _method_of(self, recipe: Mapping[str, Any], form: dict[str, Any], notes: list[str]) -> None:
        """The recipe's method and parameters into the form."""
        try:
            method = self.method(recipe.get("method", AUTO))
        except BadParameter:
            notes.append(f"the method {shortly(recipe.get('method'))} is not here: the choice is left to auto.")
            return
        form["method"] = AUTO if method is None else method.name
        parameters = recipe.get("parameters")
        if method is None or not isinstance(parameters, Mapping):
            return
        for name, value in parameters.items():
            if all(p.name != name for p in method.parameters):
                continue  # one that names a model, or another version's
            try:
                form["settings"] |= self.settings(method, {name: value})
            except BadParameter as error:
                notes.append(str(error))
        if isinstance(parameters.get("strength"), int | float) and "strength" in form["settings"]:
            form["strength"] = 1.0


def form_of(edit: Edit) -> dict[str, Any]:
    """The form that makes an edit."""
    return {
        "source": edit.source, "target": edit.target, "negative": edit.negative, "method": edit.method,
        "settings": dict(edit.settings), "strength": 1.0 if edit.strength is None else edit.strength,
        "keep": edit.keep, "seed": edit.seed, "region": edit.region, "size": str(edit.size or ""),
    }  # fmt: skip


def _read(known: Parameter, value: object) -> Any:
    """A setting's value, from JSON or from a form's text.

    Raises:
        BadParameter: when it is none, or outside the range.
    """
    if isinstance(value, str) and known.kind not in ("text", "choice"):
        value = known.read(value[:100])
    if known.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if known.kind == "whole number" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) > MAX_LETTERS:
        raise BadParameter(f"{known.name} has {len(value)} letters, and at most {MAX_LETTERS} are read.")
    if value == "" and known.optional:
        value = None
    known.check(value)
    return value
