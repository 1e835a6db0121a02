"""The page: Gradio's controls and the studio's own panels, joined to the desk; nothing is decided here."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from retouch.app.about import AUTO
from retouch.app.desk import Desk
from retouch.app.forms import EMPTY, KEEP
from retouch.app.panels import difference, methods
from retouch.app.scenes import SCENES
from retouch.app.visits import Visit
from retouch.app.words import weighed
from retouch.errors import RetouchError

_FOLDER = Path(__file__).parent / "page"
_QUIET: Mapping[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_HOW_LAST = "(...values) => [...values.slice(0, -1), window.studio.how()]"
"""Method and settings stand in a panel of ours: they are read when a button is pressed."""
_FORM = ("source", "target", "negative", "strength", "keep", "seed", "region", "size", "upscaler")
HEAD = (
    '<link rel="stylesheet" href="/studio/file/studio.css">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    + "".join(f'<script src="/studio/file/{name}.js"></script>' for name in ("studio", "easel", "view"))
)


def page(desk: Desk, cookie: str) -> gr.Blocks:
    """The page of a desk; ``cookie`` is the name of the one that holds a visit's token."""
    with gr.Blocks(title="Retouch studio", analytics_enabled=False) as blocks:
        gr.Markdown("# Retouch studio")
        with gr.Row():
            with gr.Column(min_width=320):
                _panel("easel", clicks="yes" if desk.about.clicks else "no")
                scene = _scenes(desk)
                form = _words()
                how = gr.HTML(methods(desk.about), elem_id="s-how", apply_default_css=False)
                edit, others = _buttons(desk, form)
            with gr.Column(min_width=320):
                _panel("view")
                gr.Markdown("## History")
                _panel("history")
                grid, sweep = _many(desk)
        glue = gr.HTML("", js_on_load=_mounted("glue", "'brought' 'weigh' 'method'"))
    page = _Page(desk, cookie)
    with blocks:
        _join(page, blocks, form, how, glue, scene)
        said = gr.Textbox(visible=False)
        inputs = [form[name] for name in _FORM]
        edit.click(page.edit, [*inputs, said], js=_HOW_LAST, **_QUIET)
        form["target"].submit(page.edit, [*inputs, said], js=_HOW_LAST, **_QUIET)
        others.click(lambda: str(secrets.randbelow(2**31)), outputs=form["seed"], **_QUIET)
        grid[0].click(page.grid, [*inputs, *grid[1:], said], js=_HOW_LAST, **_QUIET)
        sweep[0].click(page.sweep, [*inputs, *sweep[1:], said], js=_HOW_LAST, **_QUIET)
    return blocks


def _mounted(panel: str, events: str = "") -> str:
    """The script that starts one of the studio's panels, as soon as its own scripts are there."""
    start = (
        "window.studio.glue(trigger)" if panel == "glue" else f"window.studio.{panel}(element.querySelector('section'))"
    )
    return f"/* {events} */ const go = () => window.studio && window.studio.view ? {start} : setTimeout(go, 30); go();"


def _panel(name: str, **data: str) -> None:
    html = (_FOLDER / f"{name}.html").read_text(encoding="utf-8")
    marks = "".join(f' data-{key}="{value}"' for key, value in data.items())
    gr.HTML(
        html.replace("<section", f"<section{marks}", 1),
        js_on_load=_mounted(name),
        padding=False,
        apply_default_css=False,
    )


def _scenes(desk: Desk) -> tuple[Any, Any]:
    with gr.Row(visible=desk.about.scenes):
        chosen = gr.Dropdown(list(SCENES), value=SCENES[0], label="or a scene of the painted world", scale=3)
        paint = gr.Button("Paint it", scale=1, min_width=90)
    return chosen, paint


def _words() -> dict[str, Any]:
    """The controls that say what is wanted, by the names of the form's fields."""
    form: dict[str, Any] = {}
    form["source"] = gr.Textbox(label="What it shows", lines=1, max_lines=3, elem_id="s-source")
    form["target"] = gr.Textbox(label="What it should show", lines=1, max_lines=3, elem_id="s-target")
    form["difference"] = gr.HTML(difference("", ""), elem_id="s-difference", apply_default_css=False)
    form["strength"] = gr.Slider(0, 1, value=1, step=0.05, label="Strength: 0 is the picture, 1 the full edit")
    return form


def _buttons(desk: Desk, form: dict[str, Any]) -> tuple[Any, Any]:
    with gr.Row():
        form["seed"] = gr.Textbox("0", label="Seed", scale=1, min_width=110)
        another = gr.Button("Another seed", scale=1, min_width=110)
        edit = gr.Button("Edit", variant="primary", scale=2, min_width=110, elem_id="s-edit")
    with gr.Accordion("More", open=False):
        form["negative"] = gr.Textbox(label="What it should not show")
        form["keep"] = gr.Radio(
            list(KEEP), value=KEEP[0], label="What the edit leaves alone stays the picture's own (auto, exact), or not"
        )
        with gr.Row():
            form["region"] = gr.Textbox(
                label="Edit only around this thing, or left,top,right,bottom in pixels",
                placeholder="hat",
                min_width=140,
            )
            form["size"] = gr.Textbox(label="Working size in pixels", placeholder="the model's own", min_width=140)
        form["upscaler"] = gr.Dropdown(
            [("none: Lanczos", ""), *desk.about.upscalers], value="", visible=bool(desk.about.upscalers),
            label="What is drawn anew in a large picture is enlarged by",
        )  # fmt: skip
    return edit, another


def _many(desk: Desk) -> tuple[list[Any], list[Any]]:
    """The controls of a grid and of a sweep, each with its button first."""
    with gr.Accordion("Grid: many edits at once", open=False):
        gr.Markdown("Choices go into the target prompt, as `a {red|blue|green} cat`; every combination is made.")
        strengths = gr.Textbox(label="Strengths", placeholder="0.4, 0.7, 1")
        seeds = gr.Textbox(label="Seeds", placeholder="1, 2, 5-8")
        names = gr.CheckboxGroup(list(desk.about.methods), label="Methods")
        make = gr.Button("Make the grid")
    with gr.Accordion("Fit once, sample often", open=False):
        fitting = ", ".join(one.name for one in desk.about.methods.values() if one.fits)
        gr.Markdown(f"For the methods that fit to the picture first ({fitting}): the fit is made once and kept.")
        etas = gr.Textbox("0.6, 0.7, 0.8, 1", label="Eta, where the method has one: 0 is the picture, 1 the target")
        fit_seeds = gr.Textbox("0", label="Seeds of the fit's samples")
        sweep = gr.Button("Fit and sweep")
    return [make, strengths, seeds, names], [sweep, etas, fit_seeds]


def _join(page: _Page, blocks: Any, form: dict[str, Any], how: Any, glue: Any, scene: tuple[Any, Any]) -> None:
    """What happens when words, method or picture change."""
    source, target, shown = form["source"], form["target"], form["difference"]
    controls = [*(form[name] for name in _FORM), how]
    # one event for both, so that answers come in the order of the questions: the last is of what stands there
    gr.on([source.change, target.change], difference, [source, target], shown, trigger_mode="always_last", **_QUIET)
    glue.weigh(page.weigh, target, target, **_QUIET)
    glue.method(page.method, None, how, **_QUIET)
    glue.brought(page.brought, None, controls, **_QUIET)
    blocks.load(page.everything, None, controls, **_QUIET)
    scene[1].click(page.paint, scene[0], None, **_QUIET)


class _Page:
    """What Gradio's events call."""

    def __init__(self, desk: Desk, cookie: str) -> None:
        self.desk, self._cookie = desk, cookie

    def edit(self, request: gr.Request, *values: Any) -> None:
        """The button of one edit."""
        self._asked(request, lambda visit: self.desk.edit(visit, _form(values[: len(_FORM)], values[-1])))

    def grid(self, request: gr.Request, *values: Any) -> None:
        """The button of a grid."""
        self._asked(
            request,
            lambda visit: self.desk.grid(visit, _form(values[: len(_FORM)], values[-1]), *values[len(_FORM) : -1]),
        )

    def sweep(self, request: gr.Request, *values: Any) -> None:
        """The button of a fit and its samples."""
        self._asked(
            request,
            lambda visit: self.desk.sweep(visit, _form(values[: len(_FORM)], values[-1]), *values[len(_FORM) : -1]),
        )

    def paint(self, scene: Any, request: gr.Request) -> None:
        """The button beside the scenes."""
        self._asked(request, lambda visit: self.desk.paint(visit, scene, secrets.randbelow(2**31)))

    def weigh(self, target: Any, event: gr.EventData) -> str:
        """A slider of a word."""
        try:
            return weighed(str(target), str(event.word), float(event.weight))
        except (RetouchError, ValueError, TypeError, AttributeError):
            return str(target)

    def method(self, event: gr.EventData) -> str:
        """Another method, or other parts of it: the settings that it has then."""
        try:
            form = self.desk.forms.still(json.loads(event.how))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return methods(self.desk.about)
        return methods(self.desk.about, form["method"], form["settings"], form["parts"])

    def brought(self, request: gr.Request, event: gr.EventData) -> list[Any]:
        """What the desk put into the controls since the page last asked."""
        try:
            visit = self._visit(request)
            return self._controls(visit.brought_since(int(event.since)))
        except (RetouchError, ValueError, TypeError, AttributeError):
            return self._controls({})

    def everything(self, request: gr.Request) -> list[Any]:
        """What the controls held when the visitor was here last."""
        try:
            return self._controls({**EMPTY, **self._visit(request).form})
        except RetouchError:
            return self._controls({})

    def _controls(self, form: Mapping[str, Any]) -> list[Any]:
        """Values for the controls; those that are not in the form stay as they are."""
        values = {**form, **({"seed": str(form["seed"])} if "seed" in form else {})}
        found = [values.get(name, gr.skip()) for name in _FORM]
        if "method" not in form:
            return [*found, gr.skip()]
        how = methods(self.desk.about, form.get("method", AUTO), form.get("settings", {}), form.get("parts", {}))
        return [*found, how]

    def _visit(self, request: gr.Request) -> Visit:
        return self.desk.visits.of(request.cookies.get(self._cookie))

    def _asked(self, request: gr.Request, ask: Callable[[Visit], None]) -> None:
        """Does what a visitor asks; what is wrong with it is said on the visitor's page."""
        try:
            visit = self._visit(request)
        except RetouchError:  # the page says so itself
            return
        try:
            ask(visit)
        except RetouchError as error:
            visit.say(str(error), bad=True)


def _form(values: tuple[Any, ...], how: Any) -> dict[str, Any]:
    """The form of what the controls hold, as a browser sent it: nothing in it is checked yet."""
    form = {**EMPTY, **dict(zip(_FORM, values, strict=True))}
    try:
        said = json.loads(how)
        return {**form, "method": said["method"], "settings": said["settings"], "parts": said["parts"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {**form, "method": None}
