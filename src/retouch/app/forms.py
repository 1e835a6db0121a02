"""The page's controls as a form: what a browser sends of it checked, and a recipe turned back into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from retouch.app.about import AUTO, AXES, About, AboutMethod, mixed
from retouch.app.fields import number, region, region_as_text, seed, setting, shortly, size, text
from retouch.app.tasks import Edit
from retouch.errors import BadParameter, BadPrompt
from retouch.parameters import Parameter

KEEP = ("auto", "exact", "off")
EMPTY: Mapping[str, Any] = {
    "source": "", "target": "", "negative": "", "method": AUTO, "settings": {}, "strength": 1.0, "keep": "auto",
    "seed": 0, "region": "", "size": "", "parts": {}, "upscaler": "",
}  # fmt: skip
BESIDE = {"foreground": "where the subject is", "reference": "the picture whose background the edit should have"}
"""Pictures beside the one that is edited, for the methods that take them."""


@dataclass(frozen=True)
class Forms:
    """Reads forms; what it knows of the methods decides what may be in one."""

    about: About

    def method(self, value: object, parts: object = None) -> AboutMethod | None:
        """A method by name, with ``parts`` (name by axis) in place of its own; None for auto.

        Raises:
            BadParameter: when there is none of that name, or no such part.
        """
        if parts and (not isinstance(parts, Mapping) or not set(parts) <= set(AXES)):
            raise BadParameter("the parts are not understood: reload the page.")
        if value == AUTO:
            return None
        known = self.about.methods.get(value) if isinstance(value, str) else None
        if known is None:
            raise BadParameter(f"there is no method {shortly(value)}: choose one of the list.")
        named = {axis: name for axis, name in parts.items() if name} if isinstance(parts, Mapping) else {}
        for axis, name in named.items():
            there = self.about.parts.get(axis, {}) if known.parts else {}
            if not isinstance(name, str) or len(name) > 200 or not all(one in there for one in name.split("+")):
                raise BadParameter(f"{known.name} takes no {axis} {shortly(name)} here: choose it from the list.")
        return mixed(self.about, known, named)

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
            read = setting(known[name], value)
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
        parts = form["parts"] if form["method"] != AUTO else {}
        method = self.method(form["method"], parts)
        if not source and (method is None or method.needs_source):
            name = "the automatic choice" if method is None else method.name
            raise BadPrompt(f"{name} needs to know what the picture shows: write it first.")
        if form["keep"] not in KEEP:
            raise BadParameter(f"keep is {shortly(form['keep'])}, expected one of {', '.join(KEEP)}.")
        if form["upscaler"] not in ("", *self.about.upscalers):
            raise BadParameter(f"there is no upscaler {shortly(form['upscaler'])} here: choose one of the list.")
        strength = number(form["strength"], "the strength", 0, 1)
        return Edit(
            picture, source, target, text(form["negative"], "what it should not show"), form["method"],
            self.settings(method, form["settings"]), None if strength == 1 else strength, form["keep"],
            seed(form["seed"]), mask, region(form["region"]), size(form["size"]),
            {axis: name for axis, name in (parts or {}).items() if name}, form["upscaler"],
        )  # fmt: skip

    def beside(self, edit: Edit, pictures: Mapping[str, bytes]) -> Edit:
        """An edit with those of the pictures, by the names of :data:`BESIDE`, that its method takes."""
        method = self.method(edit.method, edit.parts)
        found = {name: pictures.get(name) for name in (() if method is None else method.takes)}
        return replace(edit, foreground=found.get("foreground"), reference=found.get("reference"))

    def still(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What the page holds of a method once its parts changed: what of its settings is still there stays."""
        form: dict[str, Any] = {"method": AUTO, "parts": {}, "settings": {}}
        try:
            method = self.method(said.get("method"), said.get("parts"))
        except BadParameter:
            return form
        if method is not None and isinstance(said.get("settings"), Mapping):
            form |= {"method": method.name, "parts": dict(said.get("parts") or {})}
            self._settings_of(said["settings"], method, form, [])
        return form

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
        for name, as_text in (("size", lambda value: str(size(value) or "")), ("region", _region_of)):
            try:
                form[name] = as_text(recipe.get(name))
            except (BadParameter, BadPrompt) as error:
                notes.append(str(error))
        upscaler = recipe["upscaler"].get("name") if isinstance(recipe.get("upscaler"), Mapping) else None
        if upscaler in self.about.upscalers:
            form["upscaler"] = upscaler
        elif upscaler:
            notes.append(f"its upscaler {shortly(upscaler)} is not here: Lanczos enlarges in its place.")
        if recipe.get("keep") in KEEP:
            form["keep"] = recipe["keep"]
        self._method_of(recipe, form, notes)
        if recipe.get("model") not in (None, self.about.model):
            notes.append(f"this was made by the model {shortly(recipe['model'])}, and here is {self.about.model!r}.")
        if recipe.get("mask") and not form["region"]:
            notes.append("it was made with a mask, which is not in the file: load it, or paint it anew.")
        for name, meaning in BESIDE.items():
            if recipe.get(name):
                notes.append(f"it was made with a {name} ({meaning}), which is not in the file: load it.")
        return form, notes

    def _method_of(self, recipe: Mapping[str, Any], form: dict[str, Any], notes: list[str]) -> None:
        """The recipe's method and parameters into the form."""
        name, parts = recipe.get("method", AUTO), recipe.get("parts")
        name, other = (name.partition(" as ")[::2]) if isinstance(name, str) else (name, "")
        try:
            parts = (
                {axis: parts[axis] for axis in AXES if parts.get(axis)} if other and isinstance(parts, Mapping) else {}
            )
            method = self.method(name, parts)
        except BadParameter:
            notes.append(f"the method {shortly(recipe.get('method'))} is not here: the choice is left to auto.")
            return
        form["method"], parameters = AUTO if method is None else method.name, recipe.get("parameters")
        if method is None or not isinstance(parameters, Mapping):
            return
        form["parts"] = {axis: part for axis, part in parts.items() if part != self.about.methods[name].parts.get(axis)}
        self._settings_of(parameters, method, form, notes)
        if isinstance(parameters.get("strength"), int | float) and "strength" in form["settings"]:
            form["strength"] = 1.0

    def _settings_of(
        self, parameters: Mapping[str, Any], method: AboutMethod, form: dict[str, Any], notes: list[str]
    ) -> None:
        """Those of the parameters that the method has into the form."""
        for name, value in parameters.items():
            if all(p.name != name for p in method.parameters):
                continue  # one that names a model, or another version's
            try:
                form["settings"] |= self.settings(method, {name: value})
            except BadParameter as error:
                notes.append(str(error))


def _region_of(value: object) -> str:
    """A recipe's region as a form holds it."""
    if isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value):
        value = region_as_text(tuple(value))
    return region_as_text(region(value or ""))


def form_of(edit: Edit) -> dict[str, Any]:
    """The form that makes an edit."""
    return {
        "source": edit.source, "target": edit.target, "negative": edit.negative, "method": edit.method,
        "settings": dict(edit.settings), "strength": 1.0 if edit.strength is None else edit.strength,
        "keep": edit.keep, "seed": edit.seed, "region": region_as_text(edit.region),
        "size": str(edit.size or ""), "parts": dict(edit.parts), "upscaler": edit.upscaler,
    }  # fmt: skip
