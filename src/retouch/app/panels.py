"""The page's own panels as HTML: what changes word by word, and the methods with their settings."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from retouch.app.about import AUTO, About, AboutMethod, mixed, value_as_text
from retouch.app.forms import BESIDE
from retouch.app.words import HEAVIEST, MAX_LETTERS, Piece, pieces, said
from retouch.errors import RetouchError
from retouch.parameters import Parameter

_AUTO_ADVICE = "Methods are tried, the cheapest first, until a CLIP model sees what you asked for."
_NOTHING = "Write what the picture shows and what it should show: the difference is the edit."


def difference(source: str, target: str) -> str:
    """What changes: every word that is swapped, added or left out, with a slider for what it weighs."""
    if not source.strip() or not target.strip():
        return f'<p class="s-note">{_NOTHING}</p>'
    if max(len(source), len(target)) > MAX_LETTERS:
        return f'<p class="s-note s-bad">At most {MAX_LETTERS} letters are read: shorten what you wrote.</p>'
    try:
        found, words = pieces(source, target), said(source, target)
    except RetouchError as error:
        return f'<p class="s-note s-bad">{escape(str(error))}</p>'
    sentence = " ".join(_word(one) for one in found)
    own = "{" in target  # choices are for a grid, and no slider writes into them
    sliders = "".join(_slider(one) for one in dict.fromkeys(found) if one.new and _matters(one) and not own)
    return (
        f'<p class="s-words" aria-hidden="true">{sentence}</p><p class="s-note">{escape(words)}</p>'
        f'<div class="s-weights">{sliders}</div>'
    )


def _matters(one: Piece) -> bool:
    return one.kind in ("swapped", "added") or one.weight != 1


def _word(one: Piece) -> str:
    old, new = escape(one.old), escape(one.new)
    if one.kind == "kept":
        return f"<span>{new}</span>" if one.weight == 1 else f"<mark>{new} ×{one.weight:g}</mark>"
    gone = f"<del>{old}</del> " if old else ""
    weight = "" if one.weight == 1 else f" ×{one.weight:g}"
    return f"{gone}<ins>{new}{weight}</ins>" if new else gone.strip()


def _slider(one: Piece) -> str:
    name = escape(one.new, quote=True)
    return (
        f"<label>how much “{name}” weighs "
        f'<input type="range" data-weigh="{name}" min="0" max="{HEAVIEST:g}" step="0.1" value="{one.weight:g}">'
        f"<output>{one.weight:g}</output></label>"
    )


def methods(
    about: About, chosen: str = AUTO, settings: Mapping[str, Any] | None = None, parts: Mapping[str, str] | None = None
) -> str:
    """The choice of a method with a line of advice, its settings, parts and pictures, made from what it declares.

    Args:
        settings: values in place of the defaults.
        parts: names, by axis, in place of its own parts.
    """
    groups = "".join(
        f'<optgroup label="{escape(group, quote=True)}">{"".join(_option(one, chosen) for one in those)}</optgroup>'
        for group, those in about.groups().items()
    )
    known = about.methods.get(chosen)
    advice = _AUTO_ADVICE if known is None else f"{known.title}: {known.advice}."
    automatic = f'<option value="{AUTO}"{"" if known else " selected"}>auto: whichever does it</option>'
    return (
        f'<label class="s-field">Method <select data-method>{automatic}{groups}</select></label>'
        f'<p class="s-note" data-advice>{escape(advice)}</p>'
        + ("" if known is None else _of_method(about, known, settings or {}, parts or {}))
    )


def _of_method(about: About, method: AboutMethod, settings: Mapping[str, Any], parts: Mapping[str, str]) -> str:
    now = mixed(about, method, parts)
    return "".join(map(_beside, now.takes)) + _parts(about, method, parts) + _settings(now, settings)


def _beside(name: str) -> str:
    """The buttons of a picture beside the one that is edited."""
    take = '<button type="button" data-subject>Take the mask</button>' if name == "foreground" else ""
    return (
        f'<fieldset class="s-row s-easel"><legend>{name.capitalize()}: {BESIDE[name]}</legend>'
        f'<label class="s-file">Load the {name}<input data-beside="{name}" type="file" '
        f'accept="image/png,image/jpeg,image/webp"></label>{take}'
        f'<button type="button" data-drop="{name}">Remove the {name}</button>'
        f'<span class="s-note" data-there="{name}" role="status"></span></fieldset>'
    )


def _parts(about: About, method: AboutMethod, parts: Mapping[str, str]) -> str:
    """A choice for every axis of a method whose parts can be exchanged."""
    if not method.parts:
        return ""
    fields = ""
    for axis, own in method.parts.items():
        chosen = parts.get(axis) or own
        names = {"": f"{own} (its own)"}
        known = about.parts.get(axis, {})
        names |= {name: f"{name}: {part.summary}" for name, part in known.items() if name != own}
        names |= {} if chosen == own or chosen in names else {chosen: chosen}  # several guidances, of a recipe
        options = _options(names, "" if chosen == own else chosen)
        fields += (
            f'<div class="s-setting"><label for="s-part-{axis}">{axis}</label>'
            f'<select id="s-part-{axis}" data-part="{axis}">{options}</select></div>'
        )
    opened = " open" if parts else ""
    return (
        f"<details class='s-parts' data-parts-of='{method.name}'{opened}>"
        f"<summary>Parts of {escape(method.name)}</summary>"
        f"<div class='s-fields'>{fields}</div></details>"
    )


def _option(one: AboutMethod, chosen: str) -> str:
    mark = " selected" if one.name == chosen else ""
    return f'<option value="{one.name}"{mark}>{escape(one.name)}: {escape(one.advice)}</option>'


def _settings(method: AboutMethod, settings: Mapping[str, Any]) -> str:
    fields = "".join(_setting(one, settings.get(one.name, one.default)) for one in method.parameters)
    opened = " open" if settings else ""
    return (
        f"<details class='s-settings' data-of='{method.name}'{opened}>"
        f"<summary>Settings of {escape(method.name)}</summary>"
        f"<div class='s-fields'>{fields}</div></details>"
    )


def _setting(one: Parameter, value: Any) -> str:
    """A control for a parameter, by its kind and range."""
    usual, shown = (escape(value_as_text(v), quote=True) for v in (one.default, value))
    name = escape(one.name, quote=True)
    common = f'data-setting="{name}" data-usual="{usual}" id="s-set-{name}" aria-describedby="s-help-{name}"'
    free = ("",) if one.optional else ()
    match one.kind:
        case "choice":
            control = f"<select {common}>{_choices((*free, *one.choices), value or '')}</select>"
        case "yes or no":
            control = f"<select {common}>{_choices((*free, 'true', 'false'), value_as_text(value))}</select>"
        case "text":
            control = f'<input type="text" maxlength="500" value="{shown}" {common}>'
        case _:
            low, high = (("" if end is None else f"{end:g}") for end in (one.low, one.high))
            step = "1" if one.kind == "whole number" else "any"
            control = (
                f'<input type="number" min="{low}" max="{high}" step="{step}" value="{shown}" '
                f'placeholder="{"by itself" if one.optional else ""}" {common}>'
            )
    unit = f" ({escape(one.unit)})" if one.unit else ""
    scale = f"; {escape(one.range())}" if one.kind in ("number", "whole number") else ""
    source = f" [{escape(one.source)}]" if one.source else ""
    return (
        f'<div class="s-setting"><label for="s-set-{name}">{escape(one.name.replace("_", " "))}{unit}</label>{control}'
        f'<p id="s-help-{name}" class="s-help">{escape(one.help)}{scale}{source}</p></div>'
    )


def _choices(choices: tuple[str, ...], value: Any) -> str:
    return _options({one: one or "by itself" for one in choices}, value)


def _options(said: Mapping[str, str], value: Any) -> str:
    return "".join(
        f'<option value="{escape(one, quote=True)}"{" selected" if one == value else ""}>{escape(shown)}</option>'
        for one, shown in said.items()
    )
